import { describe, expect, test } from 'vitest';
import { attrFloat } from '../../../src/ir/attr.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import type { Value } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { mergeUnmergedLora } from '../../../src/passes/adapters/merge-unmerged.js';
import { findLinears } from '../../../src/passes/sites/find.js';
import { rewrite } from '../../../src/rewrite.js';
import { f32, maxDifference, relativeError, runOrt, type Tensor } from '../../support/ort.js';
import { Net, weight, weightT } from '../sites/build.js';

const x = f32([3, 6], 5);

/** scale ((x A) B) of rank 2 for a layer of 6 x 5. */
function correction(net: Net, input: Value, seed: number, scale: number | null, transposed = false): Value {
  const a = net.init(`a${seed}`, transposed ? weightT(seed, 6, 2) : weight(seed, 6, 2));
  const b = net.init(`b${seed}`, weight(seed + 1, 2, 5));
  const down = transposed ? net.gemm(input, a, { transB: 1 }) : net.op('MatMul', [input, a]);
  const product = net.op('MatMul', [down, b]);
  return scale === null ? product : net.op('Mul', [product, net.constant(f32Tensor([], [scale]))]);
}

const CASES: Record<string, (net: Net) => void> = {
  'beside MatMul with a bias': (net) => {
    const base = net.op('MatMul', [net.x, net.init('w', weight(1, 6, 5))]);
    const biased = net.op('Add', [net.init('b', f32Tensor([5], [1, 2, 3, 4, 5])), base]);
    net.output(net.op('Relu', [net.op('Add', [biased, correction(net, net.x, 11, 0.75)])]));
  },
  'beside Gemm with a transposed weight and alpha, A transposed, no scale': (net) => {
    const base = net.node('Gemm', [net.x, net.init('w', weightT(1, 6, 5))], '', {
      transB: { kind: 'int', value: 1n },
      alpha: attrFloat(0.5),
    }).outputs[0]!;
    net.output(net.op('Relu', [net.op('Add', [correction(net, net.x, 11, null, true), base])]));
  },
  'two adapters of one layer, whose sum is the output of the model': (net) => {
    const base = net.op('MatMul', [net.x, net.transpose(net.init('w', weightT(1, 6, 5)))]);
    const one = net.op('Add', [base, correction(net, net.x, 11, 0.75)]);
    net.output(net.op('Add', [one, correction(net, net.x, 21, -1.5)]));
  },
  'a weight in a Constant node, x behind Identity': (net) => {
    const base = net.op('MatMul', [net.x, net.constant(weight(1, 6, 5))]);
    const same = net.op('Identity', [net.x]);
    net.output(net.op('Relu', [net.op('Add', [base, correction(net, same, 11, 2)])]));
  },
};

describe.each(Object.entries(CASES))('%s', (_name, build) => {
  test('merged, the model computes the same with one product', async () => {
    const make = () => {
      const net = new Net(6);
      build(net);
      net.model.setIrVersion(8);
      return net.model;
    };
    const model = make();
    expect(findLinears(make()).sites).toHaveLength(1);
    const adapters = mergeUnmergedLora(model);
    const products = [...model.everyNode()].filter(({ op }) => op === 'MatMul' || op === 'Gemm');
    expect([adapters > 0, products.length]).toEqual([true, 1]);
    const [before, after] = [
      await runOrt(encodeModel(make()), { x }),
      await runOrt(encodeModel(model), { x }),
    ];
    expect(Object.keys(after)).toEqual(Object.keys(before));
    const [name] = Object.keys(before);
    expect(relativeError(after[name!]!.data, before[name!]!.data)).toBeLessThan(1e-6);
  });
});

test('products that are not an adapter of the layer stay', () => {
  const net = new Net(6);
  const base = net.op('MatMul', [net.x, net.init('w', weight(1, 6, 5))]);
  // the rank is that of the layer: a branch of its own
  const wide = net.op('MatMul', [net.x, net.init('a', weight(2, 6, 5))]);
  const branch = net.op('MatMul', [wide, net.init('b', weight(3, 5, 5))]);
  const sum = net.op('Add', [base, branch]);
  // another x
  const other = net.op('Relu', [net.x]);
  net.output(net.op('Add', [sum, correction(net, other, 11, 1)]));
  // the half product is read elsewhere
  const down = net.op('MatMul', [net.x, net.init('a3', weight(4, 6, 2))]);
  net.output(net.op('Add', [base, net.op('MatMul', [down, net.init('b3', weight(5, 2, 5))])]));
  net.output(net.op('Relu', [down]));
  expect(mergeUnmergedLora(net.model)).toBe(0);
});

test('LOTR3206: a weight that other nodes read is not changed', () => {
  const net = new Net(6);
  const w = net.init('w', weight(1, 6, 5));
  const base = net.op('MatMul', [net.x, w]);
  net.output(net.op('Add', [base, correction(net, net.x, 11, 1)]));
  net.output(net.op('MatMul', [net.op('Relu', [net.x]), w]));
  expect(() => mergeUnmergedLora(net.model)).toThrow(LotrcError);
});

test('an export of PEFT: A and B are not layers (LOTR3113, LOTR3028); merged, the logits stay', async () => {
  const path = 'test/data/cases/sites/peftlora.ts.onnx';
  const { diagnostics, plan } = rewrite(readModel(path), { rank: 4, targets: ['q_proj'] });
  expect(diagnostics.map(({ code }) => code)).toContain('LOTR3028');
  expect(plan.plans[0]!.sites.map(({ id }) => id)).toEqual(
    [0, 1].map((layer) => `model.model.layers.${layer}.self_attn.q_proj.base_layer`),
  );
  const refused = findLinears(readModel(path)).refused.map(({ diagnostic }) => diagnostic.code);
  expect(refused).toEqual(Array(8).fill('LOTR3113'));
  const model = readModel(path);
  const input = model.graph.inputs[0]!.name;
  const feeds = {
    [input]: {
      dtype: 'int64',
      shape: [2, 6],
      data: BigInt64Array.from({ length: 12 }, (_, i) => BigInt((i * 37) % 96)),
    } as Tensor,
  };
  const before = await runOrt(path, feeds);
  mergeUnmergedLora(model);
  const after = await runOrt(encodeModel(model), feeds);
  for (const name of Object.keys(before)) {
    expect(maxDifference(after[name]!, before[name]!)).toBeLessThan(2e-6);
  }
});
