import { describe, expect, test } from 'vitest';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { Graph, Model, type Value } from '../../../src/ir/model.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { toF64 } from '../../../src/ir/values.js';
import { mergeAdapters } from '../../../src/passes/adapters/merge.js';
import { raiseAdapters } from '../../../src/passes/adapters/raise.js';
import { stripAdapters } from '../../../src/passes/adapters/strip.js';
import { findLinears } from '../../../src/passes/sites/find.js';
import { type RewriteOptions, rewrite } from '../../../src/rewrite.js';
import { eightBits } from '../../support/eight-bits.js';
import { WIDTH } from '../../support/four-bits.js';
import { f32, noise, relativeError, runOrt } from '../../support/ort.js';

const [OUT, ROWS, RANK] = [7, 5, 3] as const;
const INPUT = f32([ROWS, WIDTH], 4);

function make(layers: readonly number[] = [OUT]): Model {
  const graph = new Graph('layers');
  let x: Value = graph.addInput('x', tensorType('f32', ['rows', WIDTH]));
  for (const [k, out] of layers.entries()) x = eightBits(graph, `l${k}`, x, out);
  x.setType(tensorType('f32', ['rows', layers.at(-1)!]));
  graph.addOutput(x);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  return model;
}

const run = async (model: Model) => {
  const results = await runOrt(encodeModel(model), { x: INPUT });
  return results[model.graph.outputs[0]!.name]!.data as Float32Array;
};

const FORMS: readonly (readonly [string, Partial<RewriteOptions>])[] = [
  ['fold', { lowering: 'fold' }],
  ['token', { lowering: 'token' }],
  ['functions', { lowering: 'function' }],
];

test('the products of dynamic quantisation are sites', () => {
  const { sites, refused } = findLinears(make([WIDTH, OUT]));
  expect(refused).toEqual([]);
  expect(sites.map(({ id, in: inn, out }) => [id, inn, out])).toEqual([
    ['l0', WIDTH, WIDTH],
    ['l1', WIDTH, OUT],
  ]);
});

describe.each(FORMS)('adapters on a rounded product, written as %s', (_name, options) => {
  test('start as the base computes, bit for bit', async () => {
    const model = make([WIDTH, OUT]);
    rewrite(model, { rank: RANK, targets: ['l0', 'l1'], ...options });
    expect(await run(model)).toEqual(await run(make([WIDTH, OUT])));
  });

  test('read x before it is rounded', async () => {
    const model = make();
    const { plan } = rewrite(model, {
      rank: RANK,
      scale: 0.7,
      targets: ['l0'],
      ...options,
    } as RewriteOptions);
    const [row] = plan.plans;
    const factors = ['R', 'M', 'L'].map((letter, k) => {
      const name = { ...row!.groups[0]!.factors, ...row!.sites[0]!.factors }[letter]!;
      const value = model.graph.own(name)!;
      const { shape } = value.constant!;
      value.setConstant(f32Tensor(shape, noise(shape[0]! * shape[1]!, k + 2)));
      return { shape, data: toF64(value.constant!) };
    });
    const delta = [
      { shape: [ROWS, WIDTH], data: Float64Array.from(INPUT.data as Float32Array) },
      ...factors,
    ].reduce((a, b) => {
      const [n, k, m] = [a.shape[0]!, a.shape[1]!, b.shape[1]!];
      const data = Float64Array.from({ length: n * m }, (_, i) => {
        let sum = 0;
        for (let j = 0; j < k; j++) sum += a.data[Math.floor(i / m) * k + j]! * b.data[j * m + (i % m)]!;
        return sum;
      });
      return { shape: [n, m], data };
    });
    const [adapted, base] = [await run(model), await run(make())];
    const added = adapted.map((v, i) => v - base[i]!);
    const wanted = Float32Array.from(delta.data, (v) => v / RANK);
    expect(relativeError(added, wanted)).toBeLessThan(1e-5);
  });

  test('are read back and taken away again: the base as it was', () => {
    const model = make([WIDTH, OUT]);
    rewrite(model, { rank: RANK, targets: ['l0', 'l1'], ...options });
    expect(raiseAdapters(model, 'test')).toBe(2);
    expect(stripAdapters(model)).toBe(2);
    const nodes = ({ graph }: Model, named: boolean) =>
      [...graph.nodes].map(({ opKey, name, inputs, outputs }) => [
        opKey,
        ...(named
          ? [name, ...inputs.map((value) => value?.name), ...outputs.map((value) => value.name)]
          : []),
      ]);
    // a call has no place for the names of three nodes
    const named = options.lowering !== 'function';
    const sorted = (rows: unknown[][]) => rows.map((row) => row.join(' ')).sort();
    expect(sorted(nodes(model, named))).toEqual(sorted(nodes(make([WIDTH, OUT]), named)));
  });
});

test('a rounded weight cannot take the adapter in (LOTR3206)', () => {
  const model = make();
  rewrite(model, { rank: RANK, targets: ['l0'] });
  expect(() => mergeAdapters(model)).toThrow(LotrcError);
});

test.each<[string, (model: Model) => void]>([
  ['the integers are read elsewhere too', ({ graph }) => graph.addOutput(graph.own('l0.sum')!)],
  [
    'the scale is not that of x',
    ({ graph }) => {
      const both = graph.own('l0.scales')!.producer!;
      both.setInput(0, graph.addInitializer('other', f32Tensor([], [2])));
    },
  ],
  [
    'the zero point is not that of x',
    ({ graph }) => {
      graph.own('l0.sum')!.producer!.setInput(2, null);
    },
  ],
])('no site when %s (LOTR3107)', (_name, change) => {
  const model = make();
  change(model);
  const { sites, refused } = findLinears(model);
  expect(sites).toEqual([]);
  expect(refused.map(({ diagnostic }) => diagnostic.code)).toEqual(['LOTR3107']);
});
