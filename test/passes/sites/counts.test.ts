import { describe, expect, test } from 'vitest';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { BaseTensor, type TensorOrigin } from '../../../src/ir/tensor.js';
import { countFactors, countLora, countTrainable } from '../../../src/passes/sites/counts.js';
import { selectSites } from '../../../src/passes/sites/plan.js';
import { Net } from './build.js';

/** A weight of which only type and shape matter. */
class Shape extends BaseTensor {
  readonly origin: TensorOrigin;
  constructor(
    readonly seed: number,
    side: number,
  ) {
    super('f32', [side, side], side * side * 4);
    this.origin = { kind: 'file', path: 'none', offset: seed * side * side * 4, ofModel: true };
  }
  bytes(): Uint8Array {
    throw new Error('not read');
  }
  override slice(offset: number, length: number): Uint8Array {
    return Uint8Array.from({ length }, (_, i) => (this.seed * 37 + offset + i) % 251);
  }
}

/** Query and value of `layers` attention blocks of width `side`, and the classifier after them. */
function roberta(layers: number, side: number): Net {
  const net = new Net(side);
  let x = net.x;
  for (let layer = 0; layer < layers; layer++) {
    const at = (name: string) => `roberta.encoder.layer.${layer}.attention.self.${name}`;
    x = net.op('Add', [
      net.linear(x, at('query'), new Shape(2 * layer + 1, side)),
      net.linear(x, at('value'), new Shape(2 * layer + 2, side)),
    ]);
  }
  return net.output(net.linear(x, 'classifier', new Shape(100, side)));
}

const planOf = (net: Net, rank: number, spec = LOTR) =>
  selectSites(net.model, { rank, spec, targets: ['attention\\.self\\.(query|value)$'] }).plan.plans[0]!;

describe('the published parameter counts', () => {
  const base = roberta(12, 768);
  test.each([
    [8, 13_824],
    [32, 73_728],
    [40, 99_840],
    [80, 276_480],
    [88, 321_024],
  ])('RoBERTa-base, query and value, rank %i', (rank, parameters) => {
    const plan = planOf(base, rank);
    expect(plan.sites).toHaveLength(24);
    expect(countTrainable(plan)).toBe(parameters);
  });
  test('RoBERTa-large', () => {
    const large = roberta(24, 1024);
    expect(countTrainable(planOf(large, 64))).toBe(327_680);
    expect(countTrainable(planOf(large, 8))).toBe(19_456);
    expect(countLora(planOf(large, 8))).toBe(786_432);
  });
  test('LoRA at rank 8 on the base model, as a plan and as a comparison', () => {
    expect(countTrainable(planOf(base, 8, LORA))).toBe(294_912);
    expect(countLora(planOf(base, 8))).toBe(294_912);
  });
});

test('unequal extents, several groups; frozen factors do not count', () => {
  const groups = [
    { in: 5, out: 7, rank: 2, sites: 3 },
    { in: 4, out: 4, rank: 3, sites: 1 },
  ];
  expect(countFactors(LOTR, groups)).toBe((5 + 7) * 2 + 3 * 4 + (4 + 4) * 3 + 9);
  const coreOnly = {
    ...LOTR,
    factors: LOTR.factors.map((factor) =>
      factor.name === 'M' ? factor : { ...factor, mode: 'frozen' as const },
    ),
  };
  expect(countFactors(coreOnly, groups)).toBe(3 * 4 + 9);
});
