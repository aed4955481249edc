/**
 * Dense float64 kernels for the decompositions: row-major Float64Array, sizes given by the caller. A set of vectors is
 * stored as the rows of a matrix, so that every inner loop runs over neighbours in memory. Sums are taken in a fixed
 * order: equal inputs give equal bits.
 */

/** out (p x n) += q (p x m) w (m x n). */
export function addProduct(
  out: Float64Array,
  q: Float64Array,
  w: Float64Array,
  p: number,
  m: number,
  n: number,
): void {
  let i = 0;
  // four rows of w and two of q at a time: fewer loads and stores for each product
  for (; i + 4 <= m; i += 4) {
    const w0 = i * n;
    const w1 = w0 + n;
    const w2 = w1 + n;
    const w3 = w2 + n;
    let a = 0;
    for (; a + 2 <= p; a += 2) {
      const [qa, qb] = [a * m + i, (a + 1) * m + i];
      const [a0, a1, a2, a3] = [q[qa]!, q[qa + 1]!, q[qa + 2]!, q[qa + 3]!];
      const [b0, b1, b2, b3] = [q[qb]!, q[qb + 1]!, q[qb + 2]!, q[qb + 3]!];
      const rowA = a * n;
      const rowB = rowA + n;
      for (let j = 0; j < n; j++) {
        const x0 = w[w0 + j]!;
        const x1 = w[w1 + j]!;
        const x2 = w[w2 + j]!;
        const x3 = w[w3 + j]!;
        out[rowA + j]! += a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3;
        out[rowB + j]! += b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3;
      }
    }
    if (a < p) {
      const c0 = q[a * m + i]!;
      const c1 = q[a * m + i + 1]!;
      const c2 = q[a * m + i + 2]!;
      const c3 = q[a * m + i + 3]!;
      const row = a * n;
      for (let j = 0; j < n; j++) {
        out[row + j]! += c0 * w[w0 + j]! + c1 * w[w1 + j]! + c2 * w[w2 + j]! + c3 * w[w3 + j]!;
      }
    }
  }
  for (; i < m; i++) {
    for (let a = 0; a < p; a++) {
      const c = q[a * m + i]!;
      for (let j = 0; j < n; j++) out[a * n + j]! += c * w[i * n + j]!;
    }
  }
}

/** out (p x m) += t (p x n) w^T, with w (m x n). */
export function addProductTransposed(
  out: Float64Array,
  t: Float64Array,
  w: Float64Array,
  p: number,
  m: number,
  n: number,
): void {
  let i = 0;
  // two rows of w and four of t at a time
  for (; i + 2 <= m; i += 2) {
    const row = i * n;
    const next = row + n;
    let a = 0;
    for (; a + 4 <= p; a += 4) {
      const t0 = a * n;
      const t1 = t0 + n;
      const t2 = t1 + n;
      const t3 = t2 + n;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      let u0 = 0;
      let u1 = 0;
      let u2 = 0;
      let u3 = 0;
      for (let j = 0; j < n; j++) {
        const x = w[row + j]!;
        const y = w[next + j]!;
        const y0 = t[t0 + j]!;
        const y1 = t[t1 + j]!;
        const y2 = t[t2 + j]!;
        const y3 = t[t3 + j]!;
        s0 += x * y0;
        s1 += x * y1;
        s2 += x * y2;
        s3 += x * y3;
        u0 += y * y0;
        u1 += y * y1;
        u2 += y * y2;
        u3 += y * y3;
      }
      out[a * m + i]! += s0;
      out[(a + 1) * m + i]! += s1;
      out[(a + 2) * m + i]! += s2;
      out[(a + 3) * m + i]! += s3;
      out[a * m + i + 1]! += u0;
      out[(a + 1) * m + i + 1]! += u1;
      out[(a + 2) * m + i + 1]! += u2;
      out[(a + 3) * m + i + 1]! += u3;
    }
    for (; a < p; a++) {
      out[a * m + i]! += dot(rowOf(t, a, n), rowOf(w, i, n));
      out[a * m + i + 1]! += dot(rowOf(t, a, n), rowOf(w, i + 1, n));
    }
  }
  if (i < m) for (let a = 0; a < p; a++) out[a * m + i]! += dot(rowOf(t, a, n), rowOf(w, i, n));
}

/** q (p x m) w (m x n). */
export function matrixProduct(
  q: Float64Array,
  w: Float64Array,
  p: number,
  m: number,
  n: number,
): Float64Array {
  const out = new Float64Array(p * n);
  addProduct(out, q, w, p, m, n);
  return out;
}

/** t (p x n) w^T, with w (m x n). */
export function productTransposed(
  t: Float64Array,
  w: Float64Array,
  p: number,
  m: number,
  n: number,
): Float64Array {
  const out = new Float64Array(p * m);
  addProductTransposed(out, t, w, p, m, n);
  return out;
}

/** out (m x m) += w w^T, with w (m x n). */
export function addGram(out: Float64Array, w: Float64Array, m: number, n: number): void {
  for (let i = 0; i < m; i++) {
    const row = i * n;
    let j = 0;
    for (; j + 4 <= i + 1; j += 4) {
      const r0 = j * n;
      const r1 = r0 + n;
      const r2 = r1 + n;
      const r3 = r2 + n;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let k = 0; k < n; k++) {
        const x = w[row + k]!;
        s0 += x * w[r0 + k]!;
        s1 += x * w[r1 + k]!;
        s2 += x * w[r2 + k]!;
        s3 += x * w[r3 + k]!;
      }
      out[i * m + j]! += s0;
      out[i * m + j + 1]! += s1;
      out[i * m + j + 2]! += s2;
      out[i * m + j + 3]! += s3;
    }
    for (; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += w[row + k]! * w[j * n + k]!;
      out[i * m + j]! += sum;
    }
  }
  for (let i = 0; i < m; i++) for (let j = i + 1; j < m; j++) out[i * m + j] = out[j * m + i]!;
}

/** The transpose (n x m) of w (m x n). */
export function transposeMatrix(w: Float64Array, m: number, n: number): Float64Array {
  const out = new Float64Array(w.length);
  const BLOCK = 32;
  for (let i0 = 0; i0 < m; i0 += BLOCK) {
    for (let j0 = 0; j0 < n; j0 += BLOCK) {
      const i1 = Math.min(m, i0 + BLOCK);
      const j1 = Math.min(n, j0 + BLOCK);
      for (let i = i0; i < i1; i++) for (let j = j0; j < j1; j++) out[j * m + i] = w[i * n + j]!;
    }
  }
  return out;
}

/** Vectors of n numbers as the rows of one matrix. */
export function joinedRows(rows: readonly Float64Array[], n: number): Float64Array {
  const out = new Float64Array(rows.length * n);
  for (const [k, row] of rows.entries()) out.set(row, k * n);
  return out;
}

/**
 * The rows of `fresh` (p x n) made orthonormal against `basis` (k x n, orthonormal already) and each other. Rows that
 * are combinations of earlier ones, up to rounding, are left out: the result has at most p rows.
 */
export function orthonormalRows(
  fresh: Float64Array,
  p: number,
  n: number,
  basis: readonly Float64Array[],
): Float64Array[] {
  const found: Float64Array[] = [];
  for (let a = 0; a < p; a++) {
    const row = fresh.slice(a * n, (a + 1) * n);
    const before = Math.sqrt(dot(row, row));
    if (before === 0) continue;
    // twice is enough (Kahan, Parlett): the second pass removes what rounding left of the first
    for (let pass = 0; pass < 2; pass++) {
      for (const other of [...basis, ...found]) subtractMultiple(row, dot(row, other), other);
    }
    const after = Math.sqrt(dot(row, row));
    if (after <= before * 1e-11) continue;
    for (let j = 0; j < n; j++) row[j]! /= after;
    // a row that lost most of its length is orthogonal only to that many digits: once more
    for (const other of [...basis, ...found]) subtractMultiple(row, dot(row, other), other);
    const length = Math.sqrt(dot(row, row));
    for (let j = 0; j < n; j++) row[j]! /= length;
    found.push(row);
  }
  return found;
}

/**
 * Orthonormal rows of n numbers, of which each span of the first k holds the first k rows of a matrix (count x n, count <= n). Where a row
 * is a combination of those before it, a unit vector gives the direction.
 */
export function orthonormalBasis(matrix: Float64Array, count: number, n: number): Float64Array[] {
  const found: Float64Array[] = [];
  for (let k = 0; k < count; k++) {
    let fresh = orthonormalRows(matrix.subarray(k * n, (k + 1) * n), 1, n, found);
    for (let j = 0; fresh.length === 0; j++) {
      const unit = new Float64Array(n);
      unit[j] = 1;
      fresh = orthonormalRows(unit, 1, n, found);
    }
    found.push(fresh[0]!);
  }
  return found;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function subtractMultiple(row: Float64Array, factor: number, other: Float64Array): void {
  for (let i = 0; i < row.length; i++) row[i]! -= factor * other[i]!;
}

/** A matrix with orthonormal columns, or rows where it is wide, that spans what the given one does; overwrites it. */
export function orthonormal(matrix: Float64Array, rows: number, columns: number): Float64Array {
  if (rows < columns)
    return transposeMatrix(orthonormal(transposeMatrix(matrix, rows, columns), columns, rows), columns, rows);
  const dot = (a: number, b: number): number => {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += matrix[i * columns + a]! * matrix[i * columns + b]!;
    return sum;
  };
  for (let k = 0; k < columns; k++) {
    // the second round takes out what rounding left of the first
    for (let round = 0; round < 2; round++) {
      for (let before = 0; before < k; before++) {
        const along = dot(before, k);
        for (let i = 0; i < rows; i++) {
          matrix[i * columns + k] = matrix[i * columns + k]! - along * matrix[i * columns + before]!;
        }
      }
    }
    const norm = Math.sqrt(dot(k, k));
    for (let i = 0; i < rows; i++) matrix[i * columns + k] = matrix[i * columns + k]! / norm;
  }
  return matrix;
}

const rowOf = (matrix: Float64Array, row: number, n: number): Float64Array =>
  matrix.subarray(row * n, (row + 1) * n);
