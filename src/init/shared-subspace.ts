import {
  addGram,
  addProduct,
  joinedRows,
  matrixProduct,
  orthonormalRows,
  productTransposed,
  transposeMatrix,
} from './dense.js';
import { symmetricEigen } from './eigen.js';
import { RandomStream } from './rng.js';

/** Many products of two thin matrices of one shape, W_s = A_s^T B_s, read one at a time, possibly several times. */
export interface ThinProducts {
  readonly count: number;
  readonly in: number;
  readonly out: number;
  /** a (rank x in), b (rank x out) */
  pair(index: number): ThinPair;
}

export interface ThinPair {
  readonly rank: number;
  readonly a: Float64Array;
  readonly b: Float64Array;
}

/** W_s is approximated by u core(s) v: u (in, rank) with orthonormal columns, v (rank, out) with orthonormal rows. */
export interface SharedSubspace {
  readonly rank: number;
  readonly u: Float64Array;
  readonly v: Float64Array;
  /** (rank, rank), and the relative error of W_s; reads the pair once more */
  core(index: number): { readonly core: Float64Array; readonly error: number };
  /** relative error of all together: at most this, by the singular values that are left out */
  readonly bound: number;
}

/** Extents up to which the sum of all W W^T is made; beyond, leading vectors are found from a sketch and products. */
const EXACT_EXTENT = 512;
/** Rows of a sketch: each row of a pair is added to one of them, with a random sign. */
const SKETCH_ROWS = 256;
/** Vectors that are looked for at first. */
const FIRST_WIDTH = 24;
/** Numbers in all pairs together up to which both sides are improved in turn after the first decomposition. */
const IMPROVED = 2e7;
const SWEEPS = 4;

/**
 * Tucker-2 of the products, never made: the smallest rank whose error bound, by the squared singular values that both modes
 * leave out, is within the tolerance. u holds the leading left singular vectors of [W_1 | ... | W_N], v those of
 * [W_1^T | ... | W_N^T]; W W^T = Y^T Y for Y = (B B^T)^(1/2) A, which has as many rows as the pair. Deterministic.
 */
export function sharedSubspace(products: ThinProducts, tolerance: number, seed = 0): SharedSubspace {
  const { count, in: m, out: n } = products;
  let total = 0;
  let size = 0;
  const sides = { in: new Side(m, seed, 'in'), out: new Side(n, seed, 'out') };
  const grams: PairGrams[] = [];
  for (let s = 0; s < count; s++) {
    const { rank, a, b } = products.pair(s);
    const gram = { a: gramOf(a, rank, m), b: gramOf(b, rank, n) };
    grams.push(gram);
    total += energyOf(gram);
    size += a.length + b.length;
    sides.in.take(a, gram.b, rank);
    sides.out.take(b, gram.a, rank);
  }
  const most = Math.min(m, n);
  const allowed = tolerance * tolerance * total;
  for (let width = FIRST_WIDTH; ; width *= 4) {
    const open = [sides.in.begin(width), sides.out.begin(width)].some((more) => more);
    if (open) {
      for (let s = 0; s < count; s++) {
        const { rank, a, b } = products.pair(s);
        sides.in.multiply(a, grams[s]!.b, rank);
        sides.out.multiply(b, grams[s]!.a, rank);
      }
    }
    const found = [sides.in.finish(), sides.out.finish()] as const;
    const known = Math.min(most, ...found.map(({ values }) => values.length));
    const lost = (rank: number) =>
      found.reduce((sum, { values }) => sum + Math.max(0, total - sumOf(values, rank)), 0);
    let rank = 1;
    while (rank < known && lost(rank) > allowed) rank++;
    // more vectors are in the sketch, and they may bring the error below what is allowed
    if (lost(rank) > allowed && known < most && width < SKETCH_ROWS) continue;
    let [u, v] = found.map(({ vectors }, side) => vectors.slice(0, rank * (side === 0 ? m : n))) as [
      Float64Array,
      Float64Array,
    ];
    if (size <= IMPROVED && Math.max(m, n) <= EXACT_EXTENT) [u, v] = improved(products, u, v, rank);
    const bound = total === 0 ? 0 : Math.sqrt(lost(rank) / total);
    return {
      rank,
      u: transposeMatrix(u, rank, m),
      v,
      bound,
      core: (s) => coreOf(products, energyOf(grams[s]!), u, v, rank, s),
    };
  }
}

/** One mode: the leading eigenvectors of the sum of Y^T Y over all pairs. */
class Side {
  readonly #n: number;
  readonly #exact: Float64Array | null;
  readonly #sketch: Float64Array;
  readonly #random: RandomStream;
  #row = 0;
  #turns: Float64Array | null = null;
  #block: Float64Array[] = [];
  #image = new Float64Array(0);
  #rows: Float64Array | null = null;
  #found: { values: Float64Array; vectors: Float64Array } | null = null;

  constructor(n: number, seed: number, name: string) {
    this.#n = n;
    this.#exact = n <= EXACT_EXTENT ? new Float64Array(n * n) : null;
    this.#sketch = new Float64Array(this.#exact ? 0 : SKETCH_ROWS * n);
    this.#random = new RandomStream(seed, `compress/${name}`);
  }

  /** Takes one pair: its matrix of this side (rows x n), and the products of the rows of the other one. */
  take(matrix: Float64Array, other: Float64Array, rows: number): void {
    const n = this.#n;
    if (this.#exact) {
      const y = matrixProduct(rootOf(other, rows), matrix, rows, rows, n);
      addGram(this.#exact, transposeMatrix(y, rows, n), n, rows);
      return;
    }
    // what counts is the space of the rows, and about how large they are in the products
    for (let k = 0; k < rows; k++) {
      const draw = this.#random.uniform(this.#row++) * SKETCH_ROWS;
      const [at, sign] = [Math.floor(draw), (draw * 2) % 2 < 1 ? 1 : -1];
      const by = sign * Math.sqrt(other[k * rows + k]!);
      for (let i = 0; i < n; i++) this.#sketch[at * n + i]! += by * matrix[k * n + i]!;
    }
  }

  /** Starts to look for so many vectors; false where they are known. */
  begin(width: number): boolean {
    const n = this.#n;
    if (this.#exact) {
      this.#found ??= symmetricEigen(this.#exact, n, n);
      return false;
    }
    const kept = Math.min(width, SKETCH_ROWS, n);
    const vectors = this.#leading().subarray(0, kept * SKETCH_ROWS);
    this.#block = orthonormalRows(matrixProduct(vectors, this.#sketch, kept, SKETCH_ROWS, n), kept, n, []);
    this.#image = new Float64Array(this.#block.length * n);
    this.#rows = null;
    this.#found = null;
    return true;
  }

  /** Vectors by which the rows of the sketch give its leading singular vectors, found once. */
  #leading(): Float64Array {
    if (!this.#turns) {
      const gram = new Float64Array(SKETCH_ROWS * SKETCH_ROWS);
      addGram(gram, this.#sketch, SKETCH_ROWS, this.#n);
      this.#turns = symmetricEigen(gram, SKETCH_ROWS, SKETCH_ROWS).vectors;
    }
    return this.#turns;
  }

  /** Adds the block times A^T (B B^T) A of a pair. */
  multiply(matrix: Float64Array, other: Float64Array, rows: number): void {
    if (this.#found) return;
    const [n, width] = [this.#n, this.#block.length];
    this.#rows ??= joinedRows(this.#block, n);
    const inner = productTransposed(this.#rows, matrix, width, rows, n);
    addProduct(this.#image, matrixProduct(inner, other, width, rows, rows), matrix, width, rows, n);
  }

  /** Eigenvalues, largest first, and their vectors as rows. */
  finish(): { readonly values: Float64Array; readonly vectors: Float64Array } {
    const [n, width] = [this.#n, this.#block.length];
    this.#found ??= nystrom(joinedRows(this.#block, n), this.#image, width, n);
    return this.#found;
  }
}

/**
 * Eigenvalues, at most those of G, and eigenvectors of G out of a block Q (width x n) and its image Q G: those of the largest positive
 * semidefinite matrix of that image that G is not below (Nystroem).
 */
function nystrom(
  q: Float64Array,
  image: Float64Array,
  width: number,
  n: number,
): { readonly values: Float64Array; readonly vectors: Float64Array } {
  const inner = productTransposed(q, image, width, width, n);
  for (let i = 0; i < width; i++)
    for (let j = 0; j < i; j++)
      inner[i * width + j] = inner[j * width + i] = (inner[i * width + j]! + inner[j * width + i]!) / 2;
  const { values, vectors } = symmetricEigen(inner, width, width);
  const kept = values.filter((value) => value > (values[0] ?? 0) * SMALLEST).length;
  const half = vectors.slice(0, kept * width);
  for (let k = 0; k < kept; k++)
    for (let i = 0; i < width; i++) half[k * width + i]! /= Math.sqrt(values[k]!);
  const rows = matrixProduct(half, image, kept, width, n);
  const gram = new Float64Array(kept * kept);
  addGram(gram, rows, kept, n);
  const found = symmetricEigen(gram, kept, kept);
  const count = found.values.filter((value) => value > (found.values[0] ?? 0) * SMALLEST).length;
  const basis = orthonormalRows(
    matrixProduct(found.vectors, rows, kept, kept, n).slice(0, count * n),
    count,
    n,
    [],
  );
  return { values: found.values.slice(0, basis.length), vectors: joinedRows(basis, n) };
}

/** Eigenvalues below this part of the largest are rounding. */
const SMALLEST = 1e-14;

/** Both sides improved in turn, each for the present other one (HOOI): the error never grows. */
function improved(
  products: ThinProducts,
  u: Float64Array,
  v: Float64Array,
  rank: number,
): [Float64Array, Float64Array] {
  const { count, in: m, out: n } = products;
  let [left, right] = [u, v];
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const gramIn = new Float64Array(m * m);
    for (let s = 0; s < count; s++) {
      const { rank: r, a, b } = products.pair(s);
      const rows = matrixProduct(productTransposed(right, b, rank, r, n), a, rank, r, m);
      addGram(gramIn, transposeMatrix(rows, rank, m), m, rank);
    }
    left = symmetricEigen(gramIn, m, rank).vectors;
    const gramOut = new Float64Array(n * n);
    for (let s = 0; s < count; s++) {
      const { rank: r, a, b } = products.pair(s);
      const rows = matrixProduct(productTransposed(left, a, rank, r, m), b, rank, r, n);
      addGram(gramOut, transposeMatrix(rows, rank, n), n, rank);
    }
    right = symmetricEigen(gramOut, n, rank).vectors;
  }
  return [left, right];
}

function coreOf(
  { in: m, out: n, pair }: ThinProducts,
  norm: number,
  u: Float64Array,
  v: Float64Array,
  rank: number,
  index: number,
): { readonly core: Float64Array; readonly error: number } {
  const { rank: r, a, b } = pair(index);
  const left = productTransposed(u, a, rank, r, m);
  const right = productTransposed(v, b, rank, r, n);
  const core = productTransposed(left, right, rank, rank, r);
  const kept = core.reduce((sum, value) => sum + value * value, 0);
  return { core, error: norm === 0 ? 0 : Math.sqrt(Math.max(0, norm - kept) / norm) };
}

/** Products of the rows of each matrix of a pair with each other. */
interface PairGrams {
  readonly a: Float64Array;
  readonly b: Float64Array;
}

/** The squared size of a product. */
const energyOf = ({ a, b }: PairGrams): number => a.reduce((sum, value, k) => sum + value * b[k]!, 0);

/** rows rows^T, with rows (count x n). */
function gramOf(rows: Float64Array, count: number, n: number): Float64Array {
  const gram = new Float64Array(count * count);
  addGram(gram, rows, count, n);
  return gram;
}

/** The symmetric square root of a positive semidefinite matrix. */
function rootOf(matrix: Float64Array, n: number): Float64Array {
  const { values, vectors } = symmetricEigen(matrix, n, n);
  const scaled = vectors.slice();
  for (let k = 0; k < n; k++)
    for (let i = 0; i < n; i++) scaled[k * n + i]! *= Math.sqrt(Math.max(0, values[k]!));
  return matrixProduct(transposeMatrix(vectors, n, n), scaled, n, n, n);
}

function sumOf(values: Float64Array, count: number): number {
  let sum = 0;
  for (let k = 0; k < count; k++) sum += values[k]!;
  return sum;
}
