import { describe, expect, test } from 'vitest';
import { attrInt } from '../../../src/ir/attr.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { Graph, Model, type Value } from '../../../src/ir/model.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { mergeAdapters } from '../../../src/passes/adapters/merge.js';
import { raiseAdapters } from '../../../src/passes/adapters/raise.js';
import { stripAdapters } from '../../../src/passes/adapters/strip.js';
import { findLinears } from '../../../src/passes/sites/find.js';
import { type RewriteOptions, rewrite } from '../../../src/rewrite.js';
import { fourBits, type Layer, unpacked, WIDTH } from '../../support/four-bits.js';
import { f32, noise, relativeError, runOrt } from '../../support/ort.js';

const OUT = 7;

function make(layer: Layer): Model {
  const graph = new Graph('layers');
  let x: Value = graph.addInput('x', tensorType('f32', ['batch', 'seq', WIDTH]));
  for (const [k, out] of [WIDTH, WIDTH, OUT].entries()) x = layer(graph, `l${k}`, x, out);
  x.setType(tensorType('f32', ['batch', 'seq', OUT]));
  graph.addOutput(x);
  const model = new Model(graph);
  model.irVersion = 10;
  model.setOpset('', 17);
  model.setOpset('com.microsoft', 1);
  return model;
}

/** Rewritten, with random numbers for all factors. */
function adapted(layer: Layer, options: Partial<RewriteOptions>): Model {
  const model = make(layer);
  rewrite(model, { rank: 3, targets: ['l0', 'l1', 'l2'], ...options });
  for (const [name, value] of [...model.graph.initializers]) {
    const shape = value.constant!.shape;
    if (!/^lotr\/.*\/[RML]$/.test(name)) continue;
    const size = shape.reduce((a, b) => a * b, 1);
    value.setConstant(
      f32Tensor(
        shape,
        noise(size, name.length + size).map((v) => 0.2 * v),
      ),
    );
  }
  return model;
}

const run = async (model: Model): Promise<ArrayLike<number | bigint>> =>
  (await runOrt(encodeModel(model), { x: f32([2, 3, WIDTH], 4) }))['l2.y']!.data;

test('layers of packed weights are sites with their extents', () => {
  const { sites, refused } = findLinears(make(fourBits));
  expect(refused).toEqual([]);
  expect(sites.map(({ in: inn, out }) => [inn, out])).toEqual([
    [WIDTH, WIDTH],
    [WIDTH, WIDTH],
    [WIDTH, OUT],
  ]);
});

describe.each<[string, Partial<RewriteOptions>]>([
  ['fold', { lowering: 'fold' }],
  ['token', { lowering: 'token' }],
  ['functions', { lowering: 'function' }],
])('adapters beside MatMulNBits, written as %s', (_name, options) => {
  test('start as the base computes, bit for bit', async () => {
    const model = make(fourBits);
    rewrite(model, { rank: 3, targets: ['l0', 'l1', 'l2'], ...options });
    expect(await run(model)).toEqual(await run(make(fourBits)));
  });

  test('add what they add to the same weights in float32', async () => {
    const [packed, plain] = [await run(adapted(fourBits, options)), await run(adapted(unpacked, options))];
    expect(relativeError(packed, plain)).toBeLessThan(2e-6);
    expect(relativeError(packed, await run(make(fourBits)))).toBeGreaterThan(0.01);
  });

  test('are read back and taken away again: the base as it was', async () => {
    const model = adapted(fourBits, options);
    expect(raiseAdapters(model, 'test')).toBe(3);
    expect(stripAdapters(model)).toBe(3);
    expect(await run(model)).toEqual(await run(make(fourBits)));
    const nodes = ({ graph }: Model) =>
      [...graph.nodes].map(({ opKey, inputs, attrs }) => [
        opKey,
        inputs.map((value) => value?.name ?? null),
        [...attrs],
      ]);
    expect(nodes(model)).toEqual(nodes(make(fourBits)));
  });
});

test('a packed weight cannot take the adapter in (LOTR3206)', () => {
  try {
    mergeAdapters(adapted(fourBits, {}));
    expect.unreachable();
  } catch (error) {
    if (!(error instanceof LotrcError)) throw error;
    expect(error.message).toContain('LOTR3206');
    expect(error.message).toContain('MatMulNBits keeps it packed');
  }
});

test('extents that a packed weight is too small for are refused before anything of their size is made (LOTR3107)', () => {
  const model = make(fourBits);
  const node = [...model.graph.nodes].find(({ op }) => op === 'MatMulNBits')!;
  node.setAttr('N', attrInt(4294967295));
  const { sites, refused } = findLinears(model);
  expect(sites.length).toBe(2);
  expect(refused.map(({ diagnostic }) => diagnostic.message)).toEqual([
    'cannot adapt "l0": MatMulNBits says K and N that its weight is too small for',
  ]);
});
