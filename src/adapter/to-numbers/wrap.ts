import type { Wrap } from '../description.js';

/** What D is multiplied by where the layer multiplies its weight by alpha: `hadamard` changes the weight as it is stored. */
export const wrapScale = (wrap: Wrap, scale: number, alpha: number): number =>
  wrap === 'hadamard' ? scale : scale / alpha;

/**
 * An element of the changed weight as it is stored: from that of the weight and that of D times {@link wrapScale}. `factor`:
 * what `column-norm` multiplies the column by.
 */
export function wrapElement(wrap: Wrap, w: number, sd: number, factor: number): number {
  if (wrap === 'hadamard') return w + sd * w;
  return wrap === 'column-norm' ? factor * (w + sd) : w + sd;
}

/** What the columns of a sum are multiplied by for lengths of m, from the sums of their squares. */
export function columnFactors(m: Float64Array, squares: Float64Array, alpha: number): Float64Array {
  return m.map((length, column) => length / (Math.abs(alpha) * Math.sqrt(squares[column]!)));
}
