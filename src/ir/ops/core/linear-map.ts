import { attrInt } from '../../attr.js';
import type { Value } from '../../model.js';
import { type Count, positions, shapeOfCounts } from './counts.js';
import type { GradBuilder } from './define.js';
import { range, unsqueezeAxis } from './gradient-shape.js';

/** Gradients of ops that are a linear map of each line along an axis, by the matrix of that map. */

/** The identity matrix (n, n) in the element type of `like`. The op itself, done to it along one axis, gives its matrix. */
export function identityMatrix(b: GradBuilder, n: Count, like: Value): Value {
  if (b.opset < 11) return b.refuse('the matrix of its map is made by Range, which needs opset 11');
  const places = typeof n === 'number' ? b.ints(range(n)) : positions(b, n);
  const same = b.one('Equal', [unsqueezeAxis(b, places, 1), places]);
  return b.one('Cast', [same], { to: attrInt(b.onnxType(like)) });
}

/**
 * The gradient of y = M x along an axis: M^T dy, with M (out, in). `extents` are those of the result: `in` along the axis,
 * and those of dy along the others.
 */
export function contractAxis(
  b: GradBuilder,
  dy: Value,
  matrix: Value,
  axis: number,
  extents: readonly Count[],
): Value {
  const after = extents.length - 1 - axis;
  if (after === 0) return b.one('MatMul', [dy, matrix]);
  const transposed = b.transpose(matrix, [1, 0]);
  if (after === 1) return b.one('MatMul', [transposed, dy]);
  // the axes after are joined into one: zeros in a shape keep the extent
  const lines = b.reshape(dy, b.ints([...range(axis + 1).map(() => 0), -1]));
  return b.reshape(b.one('MatMul', [transposed, lines]), shapeOfCounts(b, extents));
}
