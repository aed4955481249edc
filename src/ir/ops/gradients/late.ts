import type { Value } from '../../model.js';
import type { GradBuilder } from '../define.js';

/**
 * A shape that only a run knows, though it is always the same: a runtime that folds constants would otherwise unpack every
 * weight when the session opens, and hold it at four or eight times its size.
 */
export function runTimeShape(b: GradBuilder, like: Value, shape: readonly number[]): Value {
  const first = b.one('Slice', [b.one('Shape', [like]), b.ints([0]), b.ints([1])]);
  return b.one('Add', [b.ints(shape), b.one('Mul', [first, b.ints([0])])]);
}
