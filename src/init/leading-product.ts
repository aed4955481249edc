import { matrixProduct, transposeMatrix } from './dense.js';
import { symmetricEigen } from './eigen.js';
import { tucker2 } from './tucker.js';

/** A matrix (m x n) as left^T right^T: left (rank x m), right (n x rank). */
export interface LeadingProduct {
  readonly left: Float64Array;
  readonly right: Float64Array;
  readonly rank: number;
  /** norm of what is left out over the norm of the matrix */
  readonly error: number;
}

/** Ranks are tried in these steps until the error is small enough. */
const FIRST_RANK = 8;

/**
 * The leading singular vectors of a matrix, as many as the relative error (in the Frobenius norm) needs, at least one; singular
 * values are divided evenly between both sides. The result is deterministic.
 */
export function leadingProduct(
  matrix: Float64Array,
  m: number,
  n: number,
  tolerance: number,
): LeadingProduct {
  const most = Math.min(m, n);
  const norm = squared(matrix);
  if (norm === 0) return { left: new Float64Array(m), right: new Float64Array(n), rank: 1, error: 0 };
  for (let rank = Math.min(FIRST_RANK, most); ; rank = Math.min(2 * rank, most)) {
    const { u, v, core: coreAt } = tucker2({ count: 1, in: m, out: n, weight: () => matrix }, { rank });
    const core = coreAt(0);
    if (rank < most && norm - squared(core) > (tolerance * tolerance * norm) / 2) continue;
    // the core is nearly diagonal; its own singular vectors turn both sides so that it is
    const gram = matrixProduct(core, transposeMatrix(core, rank, rank), rank, rank, rank);
    const { values, vectors } = symmetricEigen(gram, rank, rank);
    let kept = rank;
    let lost = Math.max(0, norm - squared(core));
    while (kept > 1 && lost + Math.max(0, values[kept - 1]!) <= tolerance * tolerance * norm)
      lost += Math.max(0, values[--kept]!);
    const rows = vectors.subarray(0, kept * rank);
    const left = matrixProduct(rows, transposeMatrix(u, m, rank), kept, rank, m);
    const right = matrixProduct(matrixProduct(rows, core, kept, rank, rank), v, kept, rank, n);
    for (let k = 0; k < kept; k++) {
      const root = Math.max(values[k]!, 0) ** 0.25;
      for (let i = 0; i < m; i++) left[k * m + i]! *= root;
      if (root > 0) for (let j = 0; j < n; j++) right[k * n + j]! /= root;
    }
    return { left, right: transposeMatrix(right, kept, n), rank: kept, error: Math.sqrt(lost / norm) };
  }
}

function squared(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return sum;
}
