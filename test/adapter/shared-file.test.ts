import { expect, test } from 'vitest';
import { readDescription } from '../../src/adapter/description-check.js';
import { planFactors } from '../../src/adapter/plan-factors.js';
import { safetensorsOutput } from '../../src/ir/files/safetensors.js';
import type { Model } from '../../src/ir/model.js';
import { elementCount } from '../../src/ir/shape.js';
import { ComputedTensor } from '../../src/ir/tensor.js';
import { parseModel } from '../../src/ir/text/index.js';
import { rewrite } from '../../src/rewrite.js';

/**
 * Queries and values of a decoder with A for each block of four layers, and six matrices B for each kind of layer that all layers mix: as
 * Lily has them, without its routers. PEFT stores shared tensors once per layer, which makes 835 MB of 38 MB.
 */
const SPEC = readDescription(
  {
    method: 'shared-experts',
    delta: 'ir,e,ero->io',
    extents: { e: 6 },
    factors: [
      { name: 'A', share: 'group', init: { fanIn: 1 } },
      { name: 'w', init: { constant: 0.2 } },
      { name: 'B', share: 'type', init: 'zeros' },
    ],
  },
  'shared-experts',
);
const CHOICE = { targets: ['.*'], spec: SPEC, share: 'block=4' } as const;

/** The projections of a decoder; `stored`: what a weight of a number of elements is in the text of the model. */
function decoder(
  layers: number,
  { inn, q, v }: Readonly<Record<'inn' | 'q' | 'v', number>>,
  stored: (count: number) => string,
): Model {
  const weights: string[] = [];
  const nodes: string[] = [];
  for (let n = 0; n < layers; n++) {
    const x = n === 0 ? 'x' : `q_proj.${n - 1}`;
    for (const [name, out] of [
      ['q_proj', q],
      ['v_proj', v],
    ] as const) {
      const weight = `layers.${n}.self_attn.${name}.weight`;
      weights.push(`float[${inn},${out}] "${weight}" = ${stored(inn * out)}`);
      nodes.push(`["/layers.${n}/self_attn/${name}/MatMul"] "${name}.${n}" = MatMul ("${x}", "${weight}")`);
    }
  }
  const output = `float[batch, ${v}] "v_proj.${layers - 1}"`;
  const text = [
    '<ir_version: 9, opset_import: ["" : 17]>',
    `g (float[batch, ${inn}] x) => (${output})`,
    `<\n${weights.join(',\n')}\n>\n{\n${nodes.join('\n')}\n}\n`,
  ];
  return parseModel(text.join('\n'), 'decoder.onnxtxt');
}

test('a tensor that layers share is in the adapter file once', () => {
  const numbers = (count: number) =>
    `{${Array.from({ length: count }, (_, k) => (k % 7) / 8 - 0.25).join(', ')}}`;
  const { adapter } = rewrite(decoder(8, { inn: 12, q: 12, v: 4 }, numbers), {
    ...CHOICE,
    rank: 3,
    tie: 'initializer',
  });
  const of = (name: string) =>
    [...adapter.tensors].flatMap(([tensor, { shape }]) => (tensor.endsWith(`/${name}`) ? [shape] : []));
  expect(of('A')).toEqual([1, 2, 3, 4].map(() => [12, 3]));
  expect(of('w')).toEqual(Array.from({ length: 16 }, () => [6]));
  expect(of('B')).toEqual([
    [6, 3, 12],
    [6, 3, 4],
  ]);
  expect(adapter.tensors.size).toBe(4 + 16 + 2);
});

test('shared factors of rank 140 in 28 layers of width 3072 take less than 38 MB', () => {
  const absent = (count: number) => `["location": "none.bin", "offset": "0", "length": "${4 * count}"]`;
  const model = decoder(28, { inn: 3072, q: 3072, v: 1024 }, absent);
  const { plan } = rewrite(model, { ...CHOICE, rank: 140, withoutData: true });
  const factors = planFactors(plan.plans);
  const tensors = new Map(
    factors.map(({ name, shape }) => [
      name,
      new ComputedTensor('f32', shape, 'zeros', () => new Uint8Array(4 * elementCount(shape))),
    ]),
  );
  let bytes = 0;
  const write = (chunk: Uint8Array): void => {
    bytes += chunk.byteLength;
  };
  safetensorsOutput('a.safetensors', tensors, { 'lotrc.adapters': JSON.stringify(plan) }).write({ write });
  const numbers = factors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  expect(numbers).toBe(14 * 3072 * 140 + 6 * 140 * (3072 + 1024) + 56 * 6);
  expect(bytes).toBeLessThan(38e6);
  expect(bytes - 4 * numbers).toBeLessThan(100_000);
});
