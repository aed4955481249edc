import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { EVERYTHING, WHOLE } from '../support/everything.js';
import { check } from './check.js';
import { Comparison } from './compare.js';
import { writeCase } from './encode.js';
import { generate } from './generate.js';
import type { Case, Op } from './graph.js';
import { erf } from './ops.js';
import { rounded } from './round.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-differential-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** All operators of a case, with those of its subgraphs and functions. */
function opsOf({ net, functions }: Case): readonly Op[] {
  const inside = (ops: readonly Op[]): readonly Op[] =>
    ops.flatMap((op) => [
      op,
      ...Object.values(op.attrs).flatMap((attr) => (attr.kind === 'graph' ? inside(attr.value.ops) : [])),
    ]);
  return [...inside(net.ops), ...[...functions.values()].flatMap(({ ops }) => inside(ops))];
}

test('a case is made of its seed alone', () => {
  for (let seed = 1; seed < 20; seed++) expect(generate(seed)).toEqual(generate(seed));
  expect(generate(1)).not.toEqual(generate(2));
});

test('graphs are of many kinds', () => {
  const cases = Array.from({ length: 150 }, (_, seed) => generate(seed));
  const ops = new Set(cases.flatMap(opsOf).map(({ op }) => op));
  for (const op of [
    ...['MatMul', 'Gemm', 'FusedMatMul', 'Conv', 'Einsum', 'DequantizeLinear', 'Cast', 'Transpose', 'Split'],
    ...[
      'Slice',
      'Concat',
      'Gather',
      'Reshape',
      'If',
      'Loop',
      'Scan',
      'ExpandDims',
      'Softmax',
      'Where',
      'Tile',
    ],
  ])
    expect(ops, op).toContain(op);
  const parts: Readonly<Record<string, (made: Case) => boolean>> = {
    'data files': ({ external }) => external,
    functions: ({ functions }) => functions.size > 0,
    float64: ({ dtype }) => dtype === 'f64',
    float16: ({ dtype }) => dtype === 'f16',
    'bfloat16 weights': ({ storage }) => storage.has('bf16'),
    '8-bit weights': ({ storage }) => storage.has('i8'),
    'several outputs': ({ net }) => net.outputs.length > 1,
    'extents of 0': ({ feeds }) => [...feeds.values()].some(({ shape }) => shape.includes(0)),
    'extents with names': ({ net }) =>
      net.inputs.some(({ dims }) => dims?.some((dim) => typeof dim === 'string')),
    'convolutions by groups': (made) =>
      opsOf(made).some(({ op, attrs }) => op === 'Conv' && 'group' in attrs),
    'tied weights': (made) => {
      const read = opsOf(made).flatMap(({ op, inputs }) => (op === 'MatMul' ? [inputs[1]!] : []));
      return new Set(read).size < read.length;
    },
  };
  for (const [part, has] of Object.entries(parts)) expect(cases.filter(has).length, part).toBeGreaterThan(2);
});

test('what lotrc writes computes what graph and adapters say', async () => {
  const compared = new Map<string, number>();
  // 1020: an adapter with --init svd and float16 factors goes back onto its model
  const seeds = [...Array(WHOLE ? 60 : EVERYTHING ? 40 : 16).keys()].map((k) => k + 1);
  for (const seed of [...seeds, 1020]) {
    const own = join(folder, String(seed));
    mkdirSync(own);
    const outcome = await check(generate(seed), own);
    expect(outcome.deviations, `seed ${seed}`).toEqual([]);
    for (const what of outcome.compared) compared.set(what, (compared.get(what) ?? 0) + 1);
  }
  // a run that refuses or skips what it should compare would show nothing
  for (const what of ['base', 'rewrite', 'apply', 'merge', 'strip', 'extract', 'felt'])
    expect(compared.get(what), what).toBeGreaterThan(6);
  expect(compared.get('gradients')).toBeGreaterThan(0);
});

test('a weight that is off by one part in ten thousand is seen', async () => {
  const made = generate(3);
  const path = join(folder, 'off.onnx');
  const off = new Map(
    [...made.net.stored].map(([name, value]) => [
      name,
      value.dtype === 'f32' ? { ...value, data: value.data.map((v) => v * 1.0001) } : value,
    ]),
  );
  writeCase({ ...made, net: { ...made.net, stored: off } }, path);
  const comparison = new Comparison(made, 'all');
  expect(await comparison.like('off', path, comparison.plain)).toBe(false);
  expect(comparison.outcome().deviations).not.toEqual([]);
});

test('numbers are rounded to the nearest of a type, ties to even', () => {
  expect(
    [1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519, 65520, 2 ** -25, 3 * 2 ** -25].map((v) => rounded(v, 'f16')),
  ).toEqual([1, 1 + 2 ** -9, 65504, Number.POSITIVE_INFINITY, 0, 2 ** -23]);
  expect([1 + 2 ** -8, 1 + 3 * 2 ** -8, -1.001].map((v) => rounded(v, 'bf16'))).toEqual([1, 1 + 2 ** -6, -1]);
});

test('erf is as exact as float64', () => {
  // values of the C library
  for (const [x, y] of [
    [0.1, 0.1124629160182849],
    [1, 0.8427007929497149],
    [2.9, 0.9999589021218794],
    [3.1, 0.9999883513426328],
    [-4, -0.9999999845827421],
  ] as const)
    expect(erf(x)).toBeCloseTo(y, 14);
});
