import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { describe, expect, test } from 'vitest';
import { fixSigns, symmetricEigen } from '../../src/init/eigen.js';
import { normalQuantile } from '../../src/init/normal.js';
import { RandomStream } from '../../src/init/rng.js';

/** Rows of a symmetric matrix of that rank, with a diagonal that is added. */
function symmetric(n: number, rank: number, seed: number, diagonal = 0): Float64Array {
  const stream = new RandomStream(seed, 'eigen');
  const rows = Float64Array.from({ length: n * rank }, (_, k) => normalQuantile(stream.uniform(k)));
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = i === j ? diagonal : 0;
      for (let k = 0; k < rank; k++)
        sum += rows[i * rank + k]! * rows[j * rank + k]! * (k % 2 === 0 ? 1 : -0.5);
      matrix[i * n + j] = sum;
      matrix[j * n + i] = sum;
    }
  }
  return matrix;
}

/** As ml-matrix has them, largest first. */
function reference(matrix: Float64Array, n: number, count: number) {
  const rows = Array.from({ length: n }, (_, i) => Array.from(matrix.subarray(i * n, (i + 1) * n)));
  const result = new EigenvalueDecomposition(new Matrix(rows), { assumeSymmetric: true });
  const found = result.realEigenvalues;
  const order = found.map((_, i) => i).sort((a, b) => found[b]! - found[a]! || a - b);
  const vectors = Float64Array.from({ length: count * n }, (_, k) =>
    result.eigenvectorMatrix.get(k % n, order[Math.floor(k / n)]!),
  );
  fixSigns(vectors, count, n);
  return { values: Float64Array.from(order, (i) => found[i]!), vectors };
}

describe('eigenvalues of symmetric matrices', () => {
  const cases: readonly (readonly [name: string, n: number, matrix: Float64Array])[] = [
    ...[1, 2, 3, 5, 17, 64].map((n) => [`full rank, ${n}`, n, symmetric(n, n, n)] as const),
    ['of low rank', 23, symmetric(23, 3, 7)],
    ['of rank one and a large diagonal', 11, symmetric(11, 1, 3, 1e8)],
    ['zero', 6, new Float64Array(36)],
    ['diagonal with equal entries', 4, Float64Array.from([2, 0, 0, 0, 0, 5, 0, 0, 0, 0, 2, 0, 0, 0, 0, -1])],
    ['tridiagonal', 4, Float64Array.from([1, 2, 0, 0, 2, -3, 0.5, 0, 0, 0.5, 7, 4, 0, 0, 4, 1])],
    ['tiny', 9, symmetric(9, 9, 4).map((x) => x * 1e-160)],
  ];
  for (const [name, n, matrix] of cases) {
    test(`are those of ml-matrix to the last bit: ${name}`, () => {
      const before = matrix.slice();
      for (const count of new Set([1, Math.ceil(n / 2), n])) {
        const { values, vectors } = symmetricEigen(matrix, n, count);
        const wanted = reference(matrix, n, count);
        expect([...values]).toEqual([...wanted.values]);
        expect([...vectors]).toEqual([...wanted.vectors]);
      }
      expect(matrix).toEqual(before);
    });
  }
});
