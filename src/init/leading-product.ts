import { matrixProduct, transposeMatrix } from './dense.js';
import { symmetricEigen } from './eigen.js';
import { chooseMethod, type TuckerMethod, tucker2 } from './tucker.js';

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
  for (let rank = Math.min(FIRST_RANK, most); ; rank = Math.min(2 * rank, most)) {
    const found = decomposed(matrix, m, n, rank);
    const missing = Math.max(0, norm - squared(found.core));
    if (rank < most && missing > (tolerance * tolerance * norm) / 2) continue;
    let kept = rank;
    let lost = missing;
    while (kept > 1 && lost + found.values[kept - 1]! <= tolerance * tolerance * norm)
      lost += found.values[--kept]!;
    return found.product(kept, norm);
  }
}

/** The same at a given rank, whatever the error. */
export function leadingOfRank(
  matrix: Float64Array,
  m: number,
  n: number,
  rank: number,
  method: TuckerMethod = chooseMethod(1, m, n, rank),
): LeadingProduct {
  return decomposed(matrix, m, n, rank, method).product(rank, squared(matrix));
}

/** The leading singular vectors of a matrix, and the product of the first of them. */
function decomposed(
  matrix: Float64Array,
  m: number,
  n: number,
  rank: number,
  method: TuckerMethod = chooseMethod(1, m, n, rank),
) {
  const stack = { count: 1, in: m, out: n, weight: () => matrix };
  const { u, v, core: coreAt } = tucker2(stack, { rank, method });
  const core = coreAt(0);
  // the core is nearly diagonal; its own singular vectors turn both sides so that it is
  const gram = matrixProduct(core, transposeMatrix(core, rank, rank), rank, rank, rank);
  const { values: found, vectors } = symmetricEigen(gram, rank, rank);
  const values = found.map((value) => Math.max(0, value));
  const product = (kept: number, norm: number): LeadingProduct => {
    const rows = vectors.subarray(0, kept * rank);
    const left = matrixProduct(rows, transposeMatrix(u, m, rank), kept, rank, m);
    const right = matrixProduct(matrixProduct(rows, core, kept, rank, rank), v, kept, rank, n);
    let within = 0;
    for (let k = 0; k < kept; k++) {
      within += values[k]!;
      const root = values[k]! ** 0.25;
      for (let i = 0; i < m; i++) left[k * m + i]! *= root;
      if (root > 0) for (let j = 0; j < n; j++) right[k * n + j]! /= root;
    }
    const error = norm === 0 ? 0 : Math.sqrt(Math.max(0, norm - within) / norm);
    return { left, right: transposeMatrix(right, kept, n), rank: kept, error };
  };
  return { core, values, product };
}

function squared(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return sum;
}
