import { describe, expect, test } from 'vitest';
import {
  addGram,
  matrixProduct,
  orthonormalRows,
  productTransposed,
  transposeMatrix,
} from '../../src/init/dense.js';
import { symmetricEigen } from '../../src/init/eigen.js';
import { chooseMethod, type Tucker, tucker2, type WeightStack } from '../../src/init/tucker.js';
import { toF64 } from '../../src/ir/values.js';
import { normalTensor } from '../support/normal.js';

const random = (name: string, ...shape: number[]) => toF64(normalTensor('f64', shape, 1, 1, name)).slice();

function stackOf(weights: readonly Float64Array[], inn: number, out: number): WeightStack {
  return { count: weights.length, in: inn, out, weight: (index) => weights[index]! };
}

/** Exact eighths, the same in every language. */
const sample = (s: number, m: number, n: number) =>
  Float64Array.from({ length: m * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    return (((s * 31 + i * 17 + j * 29 + i * j * 7 + i * i * s) % 23) - 11) / 8;
  });

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let worst = 0;
  for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
  return worst;
}

/** u core v */
function rebuilt(tucker: Tucker, index: number, m: number, n: number, r: number): Float64Array {
  return matrixProduct(matrixProduct(tucker.u, tucker.core(index), m, r, r), tucker.v, m, r, n);
}

function energy(tucker: Tucker, count: number): number {
  let sum = 0;
  for (let s = 0; s < count; s++) for (const x of tucker.core(s)) sum += x * x;
  return sum;
}

function expectOrthonormal(rows: Float64Array, count: number, n: number): void {
  const gram = productTransposed(rows, rows, count, count, n);
  const identity = Float64Array.from({ length: count * count }, (_, at) => (at % (count + 1) === 0 ? 1 : 0));
  expect(largestDifference(gram, identity)).toBeLessThan(1e-12);
}

describe('dense kernels', () => {
  test.each([
    [3, 5, 7],
    [4, 8, 4],
    [9, 6, 1],
    [1, 1, 5],
  ])('products of (%i x %i) and (%i) agree with the definition', (p, m, n) => {
    const q = random('q', p, m);
    const w = random('w', m, n);
    const expected = new Float64Array(p * n);
    for (let a = 0; a < p; a++) {
      for (let j = 0; j < n; j++) {
        for (let i = 0; i < m; i++) expected[a * n + j]! += q[a * m + i]! * w[i * n + j]!;
      }
    }
    expect(largestDifference(matrixProduct(q, w, p, m, n), expected)).toBeLessThan(1e-13);
    const turned = productTransposed(q, transposeMatrix(w, m, n), p, n, m);
    expect(largestDifference(turned, expected)).toBeLessThan(1e-13);
    const gram = new Float64Array(p * p);
    addGram(gram, q, p, m);
    expect(largestDifference(gram, productTransposed(q, q, p, p, m))).toBeLessThan(1e-13);
  });

  test('dependent rows are left out', () => {
    const rows = random('rows', 4, 9);
    for (let j = 0; j < 9; j++) rows[2 * 9 + j] = 2 * rows[j]! - 3 * rows[9 + j]!;
    const found = orthonormalRows(rows, 4, 9, []);
    expect(found.length).toBe(3);
    expectOrthonormal(Float64Array.from(found.flatMap((row) => [...row])), 3, 9);
  });

  test('eigenvectors: largest first, largest entry positive', () => {
    // eigenvalues 3 and 1 with vectors (1, 1) and (1, -1)
    const { values, vectors } = symmetricEigen(Float64Array.of(2, 1, 1, 2), 2, 2);
    expect(largestDifference(values, [3, 1])).toBeLessThan(1e-14);
    const h = Math.SQRT1_2;
    expect(largestDifference(vectors.map(Math.abs), [h, h, h, h])).toBeLessThan(1e-14);
    expect(vectors[0]! > 0 && vectors[1]! > 0).toBe(true);
  });
});

describe('Tucker-2 against numpy.linalg.svd of the unfoldings', () => {
  // numpy: U from svd(hstack(W)), V from svd(hstack(W.T)), signs by the largest entry, cores U.T @ W @ V
  test('three matrices of 5 x 7, rank 2', () => {
    const stack = stackOf(
      [0, 1, 2].map((s) => sample(s, 5, 7)),
      5,
      7,
    );
    const found = tucker2(stack, { rank: 2 });
    expect(found.method).toBe('gram');
    const u = [
      -0.274088735427, 0.655019632359, 0.211537487206, 0.260945786492, 0.493781661363, -0.520792215773,
      -0.325176233264, -0.244238595291, 0.728400538742, 0.41470417685,
    ];
    const v = [
      -0.438982338165, 0.073161965003, 0.089465298399, -0.076442572369, 0.659204190243, -0.227265337126,
      0.549449387364, 0.539846687805, -0.188232272439, -0.229142595422, -0.531263499015, 0.155321687364,
      0.395698813529, 0.397095143841,
    ];
    const cores = [
      [0.468432237107, 2.362997784194, -0.912205251183, -1.111375693564],
      [2.046324956173, -1.801466227922, 1.550266367092, 0.800344642596],
      [1.336742645177, 0.811049822762, 1.773166454971, -0.86243888893],
    ];
    expect(largestDifference(found.u, u)).toBeLessThan(1e-11);
    expect(largestDifference(found.v, v)).toBeLessThan(1e-11);
    for (const [s, core] of cores.entries())
      expect(largestDifference(found.core(s), core)).toBeLessThan(1e-11);
  });

  test.each(['gram', 'krylov'] as const)('one matrix is its truncated SVD (%s)', (method) => {
    const w = sample(0, 6, 4);
    const found = tucker2(stackOf([w], 6, 4), { rank: 3, method });
    // singular values up to the sign that fixing both vectors leaves
    const diagonal = [-2.808706920581039, 0, 0, 0, 2.305546057554283, 0, 0, 0, -1.022556996345962];
    expect(largestDifference(found.core(0), diagonal)).toBeLessThan(1e-12);
    // the fourth singular value is zero, so rank 3 gives the matrix back
    expect(largestDifference(rebuilt(found, 0, 6, 4, 3), w)).toBeLessThan(1e-12);
  });
});

describe.each(['gram', 'krylov'] as const)('Tucker-2, %s form', (method) => {
  const [m, n, r] = [37, 53, 3];
  const u = random('u', m, r);
  const v = random('v', r, n);
  const low = [0, 1, 2, 3, 4].map((s) =>
    matrixProduct(matrixProduct(u, random(`c${s}`, r, r), m, r, r), v, m, r, n),
  );

  test('a stack of rank r is recovered exactly', () => {
    const found = tucker2(stackOf(low, m, n), { rank: r, method });
    for (const [s, w] of low.entries()) {
      expect(largestDifference(rebuilt(found, s, m, n, r), w)).toBeLessThan(1e-11);
    }
    expectOrthonormal(transposeMatrix(found.u, m, r), r, m);
    expectOrthonormal(found.v, r, n);
  });

  test('transposed weights exchange the sides and transpose the cores', () => {
    const a = tucker2(stackOf(low, m, n), { rank: r, method });
    const b = tucker2(
      stackOf(
        low.map((w) => transposeMatrix(w, m, n)),
        n,
        m,
      ),
      { rank: r, method },
    );
    expect(largestDifference(transposeMatrix(a.u, m, r), b.v)).toBeLessThan(1e-9);
    expect(largestDifference(transposeMatrix(a.core(2), r, r), b.core(2))).toBeLessThan(1e-9);
  });

  test('more rank than the stack has still gives orthonormal vectors', () => {
    const found = tucker2(stackOf(low, m, n), { rank: r + 2, method });
    expectOrthonormal(transposeMatrix(found.u, m, r + 2), r + 2, m);
    expectOrthonormal(found.v, r + 2, n);
    expect(largestDifference(rebuilt(found, 1, m, n, r + 2), low[1]!)).toBeLessThan(1e-11);
  });

  test('a stack of zeros', () => {
    const found = tucker2(stackOf([new Float64Array(5 * 4)], 5, 4), { rank: 2, method });
    expectOrthonormal(found.v, 2, 4);
    expect(Math.max(...found.core(0).map(Math.abs))).toBe(0);
  });

  test('the largest entry of each vector is positive', () => {
    const found = tucker2(stackOf(low, m, n), { rank: r, method });
    for (const [rows, length] of [[transposeMatrix(found.u, m, r), m] as const, [found.v, n] as const]) {
      for (let k = 0; k < r; k++) {
        const row = [...rows.subarray(k * length, (k + 1) * length)];
        expect(Math.max(...row)).toBeGreaterThanOrEqual(-Math.min(...row));
      }
    }
  });

  test('weights are read one at a time, and equal calls give equal bits', () => {
    let open = 0;
    const weight = (index: number) => {
      open += 1;
      return low[index]!.slice();
    };
    const stack = { ...stackOf(low, m, n), weight };
    const first = tucker2(stack, { rank: r, method });
    expect(open).toBeLessThanOrEqual(3 * low.length);
    const second = tucker2(stack, { rank: r, method });
    expect(second.u).toEqual(first.u);
    expect(second.core(4)).toEqual(first.core(4));
  });
});

describe('the Krylov form on a full-rank stack with a decaying spectrum', () => {
  const [m, n, r, count] = [90, 70, 6, 4];
  // column k of each matrix is scaled by 0.9^k on both sides
  const weights = Array.from({ length: count }, (_, s) => {
    const w = random(`f${s}`, m, n);
    return w.map((x, at) => x * 0.9 ** (Math.floor(at / n) + (at % n)));
  });
  const stack = stackOf(weights, m, n);

  test('keeps as much of the stack as the exact form', () => {
    const exact = tucker2(stack, { rank: r, method: 'gram' });
    const approximate = tucker2(stack, { rank: r, method: 'krylov' });
    expect(approximate.method).toBe('krylov');
    const ratio = energy(approximate, count) / energy(exact, count);
    expect(Math.abs(ratio - 1)).toBeLessThan(5e-6);
    expect(largestDifference(approximate.u, exact.u)).toBeLessThan(2e-3);
  });

  test('the seed does not matter beyond its accuracy', () => {
    const a = tucker2(stack, { rank: r, method: 'krylov', seed: 1 });
    const b = tucker2(stack, { rank: r, method: 'krylov', seed: 2 });
    expect(a.u).not.toEqual(b.u);
    expect(largestDifference(a.u, b.u)).toBeLessThan(2e-3);
  });
});

describe('HOOI', () => {
  test('sweeps keep more of the stack, stop when they no longer do, and keep vectors orthonormal', () => {
    const weights = Array.from({ length: 6 }, (_, s) => random(`h${s}`, 23, 17));
    const stack = stackOf(weights, 23, 17);
    const kept = [0, 1, 3, 200].map((sweeps) => tucker2(stack, { rank: 4, sweeps }));
    const energies = kept.map((tucker) => energy(tucker, 6));
    expect(energies[1]!).toBeGreaterThan(energies[0]! * 1.01);
    expect(energies[2]!).toBeGreaterThan(energies[1]!);
    expect(kept[2]!.sweeps).toBe(3);
    expect(kept[3]!.sweeps).toBeLessThan(200);
    expectOrthonormal(transposeMatrix(kept[3]!.u, 23, 4), 4, 23);
  });
});

test('ranks that do not fit are refused', () => {
  const stack = stackOf([sample(0, 6, 4)], 6, 4);
  expect(() => tucker2(stack, { rank: 5 })).toThrow('rank 5');
  expect(() => tucker2(stack, { rank: 0 })).toThrow('rank 0');
});

test('the exact form is chosen while it is cheap, or cheaper', () => {
  expect(chooseMethod(24, 256, 256, 8)).toBe('gram');
  expect(chooseMethod(24, 768, 768, 8)).toBe('krylov');
  expect(chooseMethod(64, 4096, 4096, 8)).toBe('krylov');
  expect(chooseMethod(24, 768, 768, 700)).toBe('gram');
});
