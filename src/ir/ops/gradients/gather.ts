import { attrInt } from '../../attr.js';
import type { Value } from '../../model.js';
import { toIntegers } from '../../values.js';
import type { GradBuilder } from '../define.js';
import { positions } from './counts.js';
import { constantOf } from './elementwise.js';
import { scatterAdd } from './scatter-add.js';
import { extentAt, pad, range } from './shape.js';
import { attributes, axisOf, input, type Vjp } from './vjp.js';

/**
 * Gather along an axis: the gradient of each slice is added at its index, repeated indices included. One constant
 * index (class-token pooling) becomes a Pad; anything else a ScatterElements with addition.
 */
export const gatherVjp: Vjp = (b, node, [dy]) => {
  const [x, indices] = [input(node, 0), input(node, 1)];
  const rank = b.rank(x);
  const axis = axisOf(attributes(node, 'Gather').axis, rank);
  const data = constantOf(indices);
  const count = data?.shape.reduce((a, c) => a * c, 1);
  if (data && count === 1) {
    const at = toIntegers(data)[0]!;
    const slab = data.shape.length === 1 ? dy! : reshapeKeeping(b, dy!, x, axis);
    const extent = extentAt(b, x, axis);
    const before = at >= 0 ? b.ints([at]) : b.one('Add', [extent, b.ints([at])]);
    const after = b.one('Sub', [b.one('Sub', [extent, b.ints([1])]), before]);
    return [pad(b, slab, before, after, axis, x), null];
  }
  return [addSlices(b, x, indices, b.rank(indices), dy!, axis), null];
};

/** Zeros of the shape of `x` with the slices of `dy`, a result of Gather, added at the indices, which have that rank. */
export function addSlices(
  b: GradBuilder,
  x: Value,
  indices: Value,
  rank: number,
  dy: Value,
  axis: number,
): Value {
  const slab = rank === 1 ? dy : reshapeKeeping(b, dy, x, axis, -1);
  const line = b.reshape(indices, b.ints([...ones(axis), -1, ...ones(b.rank(x) - 1 - axis)]));
  const wide = b.one('Expand', [line, b.one('Shape', [slab])]);
  return addAlong(b, x, wide, slab, axis);
}

/** GatherElements: scatter the gradient back with addition. */
export const gatherElementsVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const axis = axisOf(attributes(node, 'GatherElements').axis, b.rank(x));
  return [addAlong(b, x, input(node, 1), dy!, axis), null];
};

/** GatherND: ScatterND with addition; common dimensions become the head of each index tuple. */
export const gatherNdVjp: Vjp = (b, node, [dy]) => {
  const [x, indices] = [input(node, 0), input(node, 1)];
  const { batch_dims: common = 0 } = attributes(node, 'GatherND');
  const rank = b.rank(indices);
  const heads = range(common).map((axis) => {
    const laid = b.reshape(positions(b, extentAt(b, x, axis)), b.ints([-1, ...ones(rank - 1 - axis)]));
    const shape = range(rank - 1).map((k) => extentAt(b, indices, k));
    return b.one('Expand', [laid, b.one('Concat', [...shape, b.ints([1])], { axis: attrInt(0) })]);
  });
  const tuples = common === 0 ? indices : b.one('Concat', [...heads, indices], { axis: attrInt(rank - 1) });
  return [scatterAdd(b, 'ScatterND', b.shapeOf(x), tuples, dy!, x), null];
};

function addAlong(b: GradBuilder, x: Value, indices: Value, updates: Value, axis: number): Value {
  return scatterAdd(b, 'ScatterElements', b.shapeOf(x), indices, updates, x, { axis: attrInt(axis) });
}

/** The shape of `x` with `extent` (1, or -1 for "the rest") at `axis`. */
function reshapeKeeping(b: GradBuilder, dy: Value, x: Value, axis: number, extent = 1): Value {
  const rank = b.rank(x);
  const dims = b.dims(x);
  const known = dims.every((dim, i) => i === axis || typeof dim === 'number');
  if (known) return b.reshape(dy, b.ints(dims.map((dim, i) => (i === axis ? extent : Number(dim)))));
  const parts = Array.from({ length: rank }, (_, i) => (i === axis ? b.ints([extent]) : extentAt(b, x, i)));
  return b.reshape(dy, b.one('Concat', parts, { axis: attrInt(0) }));
}

function ones(count: number): number[] {
  return new Array<number>(count).fill(1);
}
