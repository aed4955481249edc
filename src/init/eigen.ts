import { createRequire } from 'node:module';

/**
 * Eigenvalues of a symmetric matrix (n x n, row-major), largest first, and the leading `count` eigenvectors as rows:
 * of unit length, each with its entry of largest size positive (the first one, among equals), so that the result does
 * not depend on the signs that the algorithm happens to deliver.
 */
export function symmetricEigen(
  matrix: Float64Array,
  n: number,
  count: number,
): { values: Float64Array; vectors: Float64Array } {
  // loaded only here: importing it takes 70 ms, and most runs decompose nothing
  const { EigenvalueDecomposition, Matrix } = createRequire(import.meta.url)(
    'ml-matrix',
  ) as typeof import('ml-matrix');
  const dense = new Matrix(n, n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) dense.set(i, j, matrix[i * n + j]!);
  const result = new EigenvalueDecomposition(dense, { assumeSymmetric: true });
  const found = result.realEigenvalues;
  const order = found.map((_, i) => i).sort((a, b) => found[b]! - found[a]! || a - b);
  const values = Float64Array.from(order, (i) => found[i]!);
  const vectors = new Float64Array(count * n);
  const columns = result.eigenvectorMatrix;
  for (let k = 0; k < count; k++) {
    for (let i = 0; i < n; i++) vectors[k * n + i] = columns.get(i, order[k]!);
  }
  fixSigns(vectors, count, n);
  return { values, vectors };
}

/** Turns each row so that its entry of largest size is positive. */
export function fixSigns(rows: Float64Array, count: number, n: number): void {
  for (let k = 0; k < count; k++) {
    let largest = 0;
    for (let i = 0; i < n; i++) {
      const entry = rows[k * n + i]!;
      if (Math.abs(entry) > Math.abs(largest)) largest = entry;
    }
    if (largest < 0) for (let i = 0; i < n; i++) rows[k * n + i] = -rows[k * n + i]!;
  }
}
