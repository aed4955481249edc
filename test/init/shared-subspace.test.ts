import { describe, expect, test } from 'vitest';
import { matrixProduct, transposeMatrix } from '../../src/init/dense.js';
import { sharedSubspace, type ThinPair } from '../../src/init/shared-subspace.js';
import { tucker2 } from '../../src/init/tucker.js';
import { fleetOf } from '../../src/interop/fleet.js';
import { f32Tensor } from '../../src/ir/tensor.js';
import { toF64 } from '../../src/ir/values.js';
import { EVERYTHING } from '../support/everything.js';
import { normalTensor } from '../support/normal.js';

const random = (rows: number, columns: number, name: string) =>
  toF64(normalTensor('f32', [rows, columns], 1, 5, name));

/** Pairs whose sides lie in one space of `planted` dimensions each, or anywhere. */
function pairs(
  count: number,
  m: number,
  n: number,
  rank: number,
  planted: number | null,
): readonly ThinPair[] {
  const [p, q] = planted ? [random(planted, m, 'p'), random(planted, n, 'q')] : [null, null];
  return Array.from({ length: count }, (_, s) => ({
    rank,
    a: p ? matrixProduct(random(rank, planted!, `a${s}`), p, rank, planted!, m) : random(rank, m, `a${s}`),
    b: q ? matrixProduct(random(rank, planted!, `b${s}`), q, rank, planted!, n) : random(rank, n, `b${s}`),
  }));
}

const products = (list: readonly ThinPair[], m: number, n: number) => ({
  count: list.length,
  in: m,
  out: n,
  pair: (s: number) => list[s]!,
});

const dense = ({ rank, a, b }: ThinPair, m: number, n: number) =>
  matrixProduct(transposeMatrix(a, rank, m), b, m, rank, n);

const squares = (values: Float64Array) => values.reduce((sum, value) => sum + value * value, 0);

describe.each([
  ['made exactly', 40, 23],
  ['from a sketch', 600, 700],
  ['one side each', 40, 700],
])('a planted space, %s', (_, m, n) => {
  test('is found with its dimension, and nothing is lost', () => {
    const list = pairs(12, m, n, 3, 7);
    const { rank, u, v, core } = sharedSubspace(products(list, m, n), 1e-2);
    expect(rank).toBe(7);
    for (const [s, pair] of list.entries()) {
      const { core: inner, error } = core(s);
      expect(error).toBeLessThan(1e-6);
      const made = matrixProduct(matrixProduct(u, inner, m, rank, rank), v, m, rank, n);
      const wanted = dense(pair, m, n);
      const off = squares(made.map((value, k) => value - wanted[k]!)) / squares(wanted);
      expect(Math.sqrt(off)).toBeLessThan(1e-10);
    }
  });
});

test.each([0.3, 0.6, 0.9])(
  'at tolerance %d the error is near that of the dense decomposition',
  (tolerance) => {
    const [m, n] = [30, 22];
    const list = pairs(9, m, n, 4, null);
    const { rank, core, bound } = sharedSubspace(products(list, m, n), tolerance);
    const whole = list.map((pair) => dense(pair, m, n));
    const total = whole.reduce((sum, each) => sum + squares(each), 0);
    const best = tucker2({ count: 9, in: m, out: n, weight: (s) => whole[s]! }, { rank, sweeps: 30 });
    const lost = (kept: (s: number) => number) =>
      Math.sqrt(1 - list.reduce((sum, _, s) => sum + kept(s), 0) / total);
    const own = lost((s) => squares(core(s).core));
    expect(own).toBeLessThanOrEqual(tolerance);
    expect(own).toBeLessThanOrEqual(bound + 1e-12);
    expect(own).toBeLessThanOrEqual(1.05 * lost((s) => squares(best.core(s))) + 1e-9);
    for (const [s, each] of whole.entries())
      expect(core(s).error).toBeCloseTo(Math.sqrt(1 - squares(core(s).core) / squares(each)), 8);
  },
);

test.skipIf(!EVERYTHING)('wide layers without a common space are not within a small tolerance', () => {
  const layers = pairs(9, 520, 520, 32, null).map(({ rank, a, b }, k) => ({
    module: `layer.${k}`,
    rank,
    a: f32Tensor([rank, 520], a),
    b: f32Tensor([520, rank], transposeMatrix(b, rank, 520)),
    alpha: 1,
    scaling: 'rank' as const,
    error: null,
  }));
  expect(() => fleetOf([{ name: 'a', layers, weights: [] }], 'x', 1e-3)).toThrow('LOTR7501');
});
