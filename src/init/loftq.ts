import { addProduct, transposeMatrix } from './dense.js';
import { leadingOfRank } from './leading-product.js';

export interface LoftqShape {
  readonly in: number;
  readonly out: number;
  readonly rank: number;
}

/** Two matrices whose product is (in, out): (in, rank) and (rank, out). */
interface Pair {
  readonly a: Float64Array;
  readonly b: Float64Array;
}

export interface LoftqStart extends Pair {
  /** what W is less of where it is stored, rounded; null: what is stored now stays */
  readonly less: Pair | null;
  /** squares of norms: of W, of what rounding had left out of it, and of what is left out with the adapter */
  readonly whole: number;
  readonly before: number;
  readonly after: number;
}

/**
 * LoftQ (arXiv 2310.08659), algorithm 1: A B are the leading singular vectors of W less what is stored; then W less A B is stored, rounded;
 * and so on. The first rounding is the one that is there, so that one iteration leaves it alone. All matrices but the factors are (out, in).
 * The product of the factors is multiplied by `scale`.
 */
export function loftq(
  w: Float64Array,
  stored: Float64Array,
  round: (values: Float64Array) => Float64Array,
  shape: LoftqShape,
  { scale, iterations }: { readonly scale: number; readonly iterations: number },
): LoftqStart {
  let held = stored;
  let less: Pair | null = null;
  for (let turn = 1; ; turn++) {
    const rest = w.map((value, k) => value - held[k]!);
    const { left, right } = leadingOfRank(rest, shape.out, shape.in, shape.rank);
    const pair: Pair = { a: right, b: left };
    if (turn < iterations) {
      held = round(without(w, pair, shape));
      less = pair;
      continue;
    }
    const after = squares(without(rest, pair, shape));
    const root = 1 / Math.sqrt(Math.abs(scale));
    return {
      a: right.map((x) => x * root),
      b: left.map((x) => x * root * Math.sign(scale)),
      ...{ less, after, whole: squares(w), before: squares(w.map((value, k) => value - stored[k]!)) },
    };
  }
}

/** A matrix (out, in) less the transpose of a product. */
export function without(w: Float64Array, { a, b }: Pair, { in: inn, out, rank }: LoftqShape): Float64Array {
  const rest = w.slice();
  const left = transposeMatrix(b, rank, out).map((x) => -x);
  addProduct(rest, left, transposeMatrix(a, inn, rank), out, rank, inn);
  return rest;
}

const squares = (values: Float64Array): number => values.reduce((sum, x) => sum + x * x, 0);
