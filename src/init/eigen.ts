/**
 * Eigenvalues of a symmetric matrix (n x n, row-major), largest first, and the leading `count` eigenvectors as rows:
 * of unit length, each with its entry of largest size positive (the first one, among equals), so that the result does
 * not depend on the signs that the algorithm happens to deliver.
 *
 * The algorithm is that of EISPACK's tred2 and tql2 (Martin, Reinsch and Wilkinson, and Bowdler, Martin, Reinsch and Wilkinson, in
 * Handbook for Automatic Computation II, 1971): Householder reflections, then QL steps with implicit shifts. The order of its
 * sums is that of the library JAMA, so that values which earlier versions made come out to the last bit.
 */
export function symmetricEigen(
  matrix: Float64Array,
  n: number,
  count: number,
): { values: Float64Array; vectors: Float64Array } {
  const found = new Decomposition(matrix, n);
  const order = Array.from(found.d, (_, i) => i).sort((a, b) => found.d[b]! - found.d[a]! || a - b);
  const values = Float64Array.from(order, (i) => found.d[i]!);
  const vectors = new Float64Array(count * n);
  for (let k = 0; k < count; k++) vectors.set(found.row(order[k]!), k * n);
  fixSigns(vectors, count, n);
  return { values, vectors };
}

/** Eigenvalues, smallest first, and their vectors, which take the place of the matrix row by row. */
class Decomposition {
  readonly d: Float64Array;
  /** next to the diagonal, while `d` is the diagonal of a tridiagonal matrix */
  readonly #e: Float64Array;
  readonly #z: Float64Array;

  constructor(
    matrix: Float64Array,
    readonly n: number,
  ) {
    this.#z = Float64Array.from(matrix);
    this.d = new Float64Array(n);
    this.#e = new Float64Array(n);
    this.#reflect();
    this.#accumulate();
    this.#iterate();
    this.#sort();
  }

  /** Row `i` as a view. */
  row(i: number): Float64Array {
    return this.#z.subarray(i * this.n, (i + 1) * this.n);
  }

  /** Makes the matrix tridiagonal, from its last row up; each row keeps the reflection that removed it. */
  #reflect(): void {
    const { n, d } = this;
    const [e, z] = [this.#e, this.#z];
    for (let j = 0; j < n; j++) d[j] = z[j * n + n - 1]!;
    for (let i = n - 1; i > 0; i--) {
      let scale = 0;
      for (let k = 0; k < i; k++) scale += Math.abs(d[k]!);
      if (scale === 0) {
        // the row is that of a tridiagonal matrix already
        e[i] = d[i - 1]!;
        d[i] = 0;
      } else d[i] = this.#reflectRow(i, scale);
      for (let j = 0; j < i; j++) {
        d[j] = z[j * n + i - 1]!;
        z[j * n + i] = 0;
        if (scale === 0) z[i * n + j] = 0;
      }
    }
  }

  /** Applies the reflection that leaves one entry of row `i`, which is in `d`; returns half its squared length. */
  #reflectRow(i: number, scale: number): number {
    const { n, d } = this;
    const [e, z] = [this.#e, this.#z];
    let h = 0;
    for (let k = 0; k < i; k++) {
      const part = d[k]! / scale;
      d[k] = part;
      h += part * part;
    }
    const last = d[i - 1]!;
    const length = last > 0 ? -Math.sqrt(h) : Math.sqrt(h);
    e[i] = scale * length;
    h -= last * length;
    d[i - 1] = last - length;
    e.fill(0, 0, i);
    // the product of the matrix and the reflection's vector, by the half that is stored
    for (let j = 0; j < i; j++) {
      const f = d[j]!;
      z[i * n + j] = f;
      const row = j * n;
      let g = e[j]! + z[row + j]! * f;
      for (let k = j + 1; k < i; k++) {
        g += z[row + k]! * d[k]!;
        e[k] = e[k]! + z[row + k]! * f;
      }
      e[j] = g;
    }
    let sum = 0;
    for (let j = 0; j < i; j++) {
      e[j] = e[j]! / h;
      sum += e[j]! * d[j]!;
    }
    const half = sum / (h + h);
    for (let j = 0; j < i; j++) e[j] = e[j]! - half * d[j]!;
    for (let j = 0; j < i; j++) {
      const row = j * n;
      for (let k = j; k < i; k++) z[row + k] = z[row + k]! - (d[j]! * e[k]! + e[j]! * d[k]!);
    }
    return h;
  }

  /** Multiplies the reflections: afterwards the rows are the vectors of the tridiagonal basis, and `d` its diagonal. */
  #accumulate(): void {
    const { n, d } = this;
    const z = this.#z;
    for (let i = 0; i < n - 1; i++) {
      z[i * n + n - 1] = z[i * n + i]!;
      z[i * n + i] = 1;
      const next = (i + 1) * n;
      const h = d[i + 1]!;
      if (h !== 0) {
        for (let k = 0; k <= i; k++) d[k] = z[next + k]! / h;
        for (let j = 0; j <= i; j++) {
          const row = j * n;
          let g = 0;
          for (let k = 0; k <= i; k++) g += z[next + k]! * z[row + k]!;
          for (let k = 0; k <= i; k++) z[row + k] = z[row + k]! - g * d[k]!;
        }
      }
      z.fill(0, next, next + i + 1);
    }
    for (let j = 0; j < n; j++) {
      d[j] = z[j * n + n - 1]!;
      z[j * n + n - 1] = 0;
    }
    z[n * n - 1] = 1;
    this.#e[0] = 0;
  }

  /** Drives what is next to the diagonal to zero, one eigenvalue after another. */
  #iterate(): void {
    const { n, d } = this;
    const e = this.#e;
    e.copyWithin(0, 1);
    e[n - 1] = 0;
    let shift = 0;
    let largest = 0;
    for (let l = 0; l < n; l++) {
      largest = Math.max(largest, Math.abs(d[l]!) + Math.abs(e[l]!));
      const small = Number.EPSILON * largest;
      let m = l;
      // the last entry is zero, so there is an end
      while (m < n && Math.abs(e[m]!) > small) m++;
      if (m > l) {
        do shift += this.#step(l, m);
        while (Math.abs(e[l]!) > small);
      }
      d[l] = d[l]! + shift;
      e[l] = 0;
    }
  }

  /** One QL step on the rows from `l` to `m`; returns what was taken from the diagonal. */
  #step(l: number, m: number): number {
    const { n, d } = this;
    const [e, z] = [this.#e, this.#z];
    const first = d[l]!;
    let p = (d[l + 1]! - first) / (2 * e[l]!);
    const root = p < 0 ? -hypotenuse(p, 1) : hypotenuse(p, 1);
    d[l] = e[l]! / (p + root);
    d[l + 1] = e[l]! * (p + root);
    const second = d[l + 1]!;
    const taken = first - d[l]!;
    for (let i = l + 2; i < n; i++) d[i] = d[i]! - taken;
    p = d[m]!;
    const outer = e[l + 1]!;
    // cosines of this rotation and the two before it, and sines
    let [c, c2, c3, s, s2] = [1, 1, 1, 0, 0];
    for (let i = m - 1; i >= l; i--) {
      [c3, c2, s2] = [c2, c, s];
      const g = c * e[i]!;
      const h = c * p;
      const r = hypotenuse(p, e[i]!);
      e[i + 1] = s * r;
      s = e[i]! / r;
      c = p / r;
      p = c * d[i]! - s * g;
      d[i + 1] = h + s * (c * g + s * d[i]!);
      const [low, high] = [i * n, (i + 1) * n];
      for (let k = 0; k < n; k++) {
        const x = z[high + k]!;
        z[high + k] = s * z[low + k]! + c * x;
        z[low + k] = c * z[low + k]! - s * x;
      }
    }
    p = (-s * s2 * c3 * outer * e[l]!) / second;
    e[l] = s * p;
    d[l] = c * p;
    return taken;
  }

  /** Orders the values, and their vectors with them; equal ones may trade places, as they always have. */
  #sort(): void {
    const { n, d } = this;
    for (let i = 0; i < n - 1; i++) {
      let least = i;
      for (let j = i + 1; j < n; j++) if (d[j]! < d[least]!) least = j;
      if (least === i) continue;
      [d[i], d[least]] = [d[least]!, d[i]!];
      const moved = this.row(i).slice();
      this.row(i).set(this.row(least));
      this.row(least).set(moved);
    }
  }
}

/** The length of (a, b), without squares that overflow. */
function hypotenuse(a: number, b: number): number {
  const [large, small] = Math.abs(a) > Math.abs(b) ? [a, b] : [b, a];
  if (large === 0) return 0;
  const ratio = small / large;
  return Math.abs(large) * Math.sqrt(1 + ratio * ratio);
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
