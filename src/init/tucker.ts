import {
  addGram,
  addProduct,
  addProductTransposed,
  matrixProduct,
  productTransposed,
  transposeMatrix,
} from './dense.js';
import { symmetricEigen } from './eigen.js';
import { BlockKrylov, OVERSAMPLING, POWER_STEPS } from './krylov.js';

/** A stack of matrices of one shape that are read one at a time, possibly several times. */
export interface WeightStack {
  readonly count: number;
  readonly in: number;
  readonly out: number;
  /** matrix `index`, (in, out) row-major */
  weight(index: number): Float64Array;
}

export interface TuckerOptions {
  /** at most the smaller extent */
  readonly rank: number;
  /** of the random start block; used only in the Krylov form */
  readonly seed?: number;
  /** HOOI sweeps after the truncated HOSVD; 0 by default */
  readonly sweeps?: number;
  /** by default the cheaper one, see {@link chooseMethod} */
  readonly method?: TuckerMethod;
}

export type TuckerMethod = 'gram' | 'krylov';

/**
 * W_s is approximated by u core(s) v: u is (in, rank) with orthonormal columns, v is (rank, out) with orthonormal rows,
 * and each core is (rank, rank), in-rank first, so that no transpose is between the three.
 */
export interface Tucker {
  readonly u: Float64Array;
  readonly v: Float64Array;
  /** u^T W_s v^T, computed on demand: reads weight s once more */
  core(index: number): Float64Array;
  readonly method: TuckerMethod;
  /** HOOI sweeps that were made */
  readonly sweeps: number;
}

/** Multiply-adds that are done exactly rather than approximately: about two seconds of one core. */
const EXACT_BUDGET = 2e9;
/** Cost of the eigendecomposition of an n x n matrix, in multiply-adds per n^3 (measured against the products here). */
const EIGEN_COST = 7;
/** HOOI stops when a sweep adds less than this part of the captured energy. */
const SWEEP_TOLERANCE = 1e-10;

/** The exact form while it takes about two seconds, beyond that whichever needs fewer operations. */
export function chooseMethod(count: number, inn: number, out: number, rank: number): TuckerMethod {
  const gram = (count * inn * out * (inn + out)) / 2 + EIGEN_COST * (inn ** 3 + out ** 3);
  const krylov = count * inn * out * (rank + OVERSAMPLING) * 4 * (POWER_STEPS + 1);
  return gram <= EXACT_BUDGET || gram <= krylov ? 'gram' : 'krylov';
}

/**
 * Tucker-2 decomposition of a stack in float64: u holds the leading left singular vectors of [W_1 | ... | W_N], v those
 * of [W_1^T | ... | W_N^T], and core s is u^T W_s v^T (truncated HOSVD, De Lathauwer et al. 2000). HOOI sweeps then
 * improve u and v in turn. The `gram` form takes eigenvectors of the sums of W W^T and W^T W; the `krylov` form
 * approximates them by products with a block of rank + 8 vectors and is deterministic for a seed. Signs are fixed: the
 * entry of largest size of every singular vector is positive. Throws a plain Error when the rank exceeds an extent.
 */
export function tucker2(stack: WeightStack, options: TuckerOptions): Tucker {
  const { rank, seed = 0, sweeps = 0 } = options;
  if (!(rank >= 1 && rank <= Math.min(stack.in, stack.out))) {
    throw new Error(`rank ${rank} does not fit matrices of ${stack.in} x ${stack.out}`);
  }
  const method = options.method ?? chooseMethod(stack.count, stack.in, stack.out, rank);
  let bases = method === 'gram' ? byGram(stack, rank) : byKrylov(stack, rank, seed);
  let done = 0;
  let energy = sweeps > 0 ? energyOf(stack, bases, rank) : 0;
  while (done < sweeps) {
    bases = sweep(stack, bases, rank, seed);
    done += 1;
    const now = energyOf(stack, bases, rank);
    if (now - energy <= SWEEP_TOLERANCE * now) break;
    energy = now;
  }
  const core = (index: number) => coreOf(stack, bases, rank, index);
  return { u: transposeMatrix(bases.u, rank, stack.in), v: bases.v, core, method, sweeps: done };
}

/** Singular vectors of both modes as rows: u is (rank x in), v is (rank x out). */
interface Bases {
  readonly u: Float64Array;
  readonly v: Float64Array;
}

function byGram(stack: WeightStack, rank: number): Bases {
  const { count, in: m, out: n } = stack;
  const left = new Float64Array(m * m);
  const right = new Float64Array(n * n);
  for (let s = 0; s < count; s++) {
    const w = stack.weight(s);
    addGram(left, w, m, n);
    addGram(right, transposeMatrix(w, m, n), n, m);
  }
  return { u: symmetricEigen(left, m, rank).vectors, v: symmetricEigen(right, n, rank).vectors };
}

function byKrylov(stack: WeightStack, rank: number, seed: number): Bases {
  const { count, in: m, out: n } = stack;
  const left = new BlockKrylov(m, rank, seed, 'tucker/in');
  const right = new BlockKrylov(n, rank, seed, 'tucker/out');
  for (;;) {
    const a = left.block();
    const b = right.block();
    if (!a && !b) return { u: left.leading(), v: right.leading() };
    const imageA = new Float64Array((a?.count ?? 0) * m);
    const imageB = new Float64Array((b?.count ?? 0) * n);
    // one pass over the weights serves both modes
    for (let s = 0; s < count; s++) {
      const w = stack.weight(s);
      if (a) addProductTransposed(imageA, matrixProduct(a.rows, w, a.count, m, n), w, a.count, m, n);
      if (b) addProduct(imageB, productTransposed(b.rows, w, b.count, m, n), w, b.count, m, n);
    }
    if (a) left.absorb(imageA);
    if (b) right.absorb(imageB);
  }
}

/** One HOOI sweep: u for the present v, then v for the new u. Starting from the present vectors, it never loses energy. */
function sweep(stack: WeightStack, { u, v }: Bases, rank: number, seed: number): Bases {
  const { count, in: m, out: n } = stack;
  const projected = new Float64Array(count * rank * m);
  for (let s = 0; s < count; s++) {
    projected.set(productTransposed(v, stack.weight(s), rank, m, n), s * rank * m);
  }
  const nextU = improve(projected, count * rank, m, rank, seed, 'hooi/in', u);
  const other = new Float64Array(count * rank * n);
  for (let s = 0; s < count; s++) {
    other.set(matrixProduct(nextU, stack.weight(s), rank, m, n), s * rank * n);
  }
  return { u: nextU, v: improve(other, count * rank, n, rank, seed, 'hooi/out', v) };
}

/** Leading right singular vectors of `rows` (p x n), beginning with `start`. */
function improve(
  rows: Float64Array,
  p: number,
  n: number,
  rank: number,
  seed: number,
  name: string,
  start: Float64Array,
): Float64Array {
  const krylov = new BlockKrylov(n, rank, seed, name, start);
  for (let block = krylov.block(); block; block = krylov.block()) {
    const inner = productTransposed(block.rows, rows, block.count, p, n);
    krylov.absorb(matrixProduct(inner, rows, block.count, p, n));
  }
  return krylov.leading();
}

/** u W_s v^T: (rank, rank), the in-rank first. */
function coreOf(stack: WeightStack, { u, v }: Bases, rank: number, index: number): Float64Array {
  const half = matrixProduct(u, stack.weight(index), rank, stack.in, stack.out);
  return productTransposed(half, v, rank, rank, stack.out);
}

/** The squared size of all cores: what the decomposition keeps of the stack. */
function energyOf(stack: WeightStack, bases: Bases, rank: number): number {
  let sum = 0;
  for (let s = 0; s < stack.count; s++) for (const x of coreOf(stack, bases, rank, s)) sum += x * x;
  return sum;
}
