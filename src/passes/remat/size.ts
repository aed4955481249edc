import type { Value } from '../../ir/model.js';
import { type Shape, shapeOf } from '../../ir/shape.js';

/** A tensor with fewer elements per token than this is not worth a node. */
const WORTH = 64;

/** Whether a tensor has enough elements per token, or per pair of tokens, to be worth computing again. */
export function isWorth(value: Value): boolean {
  const shape = shapeOf(value);
  const open = shape?.filter((dim) => typeof dim !== 'number').length ?? 0;
  // three open extents: attention over all pairs of tokens
  return open > 0 && (open >= 3 || weightOf(shape)! >= WORTH);
}

/** Whether its shape depends on the batch. */
export function isOpen(value: Value): boolean {
  return shapeOf(value)?.some((dim) => typeof dim === 'string') ?? false;
}

/** One number per token at most: kept without counting it. */
export function isSmall(value: Value): boolean {
  const shape = shapeOf(value);
  return !!shape && weightOf(shape)! <= 1 && shape.filter((dim) => typeof dim !== 'number').length < 3;
}

/** Elements per row or token: the product of the static extents; null when the shape is unknown. */
function weightOf(shape: Shape | null | undefined): number | null {
  if (!shape) return null;
  return shape.reduce<number>((product, dim) => product * (typeof dim === 'number' ? dim : 1), 1);
}
