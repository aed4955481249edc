import { attrInt, attrInts } from '../../attr.js';
import type { Value } from '../../model.js';
import { toIntegers } from '../../values.js';
import type { GradBuilder } from '../define.js';
import { attributes, axisOf, input, type Vjp } from './vjp.js';

/** Reshape, Squeeze, Unsqueeze, Flatten: the gradient takes the input's shape. */
export const reshapeVjp: Vjp = (b, node, [dy]) => [b.reshapeLike(dy!, input(node, 0)), null];

/** Transpose by the inverse permutation. */
export const transposeVjp: Vjp = (b, node, [dy]) => {
  const rank = b.rank(input(node, 0));
  const perm = attributes(node, 'Transpose').perm ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  const inverse = new Array<number>(rank).fill(0);
  for (const [to, from] of perm.entries()) inverse[from] = to;
  return [b.transpose(dy!, inverse)];
};

/** Expand: sum over the axes that were repeated. */
export const expandVjp: Vjp = (b, node, [dy]) => [b.sumTo(dy!, node.outputs[0]!, input(node, 0)), null];

/** Concat: each input takes its stretch of the gradient. */
export const concatVjp: Vjp = (b, node, [dy]) => {
  const axis = axisOf(attributes(node, 'Concat').axis ?? 1, b.rank(node.outputs[0]!));
  const extents = node.inputs.map((value) => b.dims(value!)[axis] ?? null);
  const known = extents.every((extent): extent is number => typeof extent === 'number');
  if (known) {
    let at = 0;
    return extents.map((extent, index) => {
      const from = at;
      at += extent;
      return b.wants(index) ? slice(b, dy!, b.ints([from]), b.ints([at]), axis) : null;
    });
  }
  let from = b.ints([0]);
  return node.inputs.map((value, index) => {
    const to = b.one('Add', [from, extentAt(b, value!, axis)]);
    const part = b.wants(index) ? slice(b, dy!, from, to, axis) : null;
    from = to;
    return part;
  });
};

/** Split: the parts' gradients joined; a part that leads nowhere counts as zeros. */
export const splitVjp: Vjp = (b, node, grads) => {
  const axis = axisOf(attributes(node, 'Split').axis ?? 0, b.rank(input(node, 0)));
  const parts = node.outputs.map((output, i) => grads[i] ?? zerosLike(b, output));
  return [b.one('Concat', parts, { axis: attrInt(axis) }), null];
};

/** Slice with steps 1: the gradient is padded with zeros to the input's extent. */
export const sliceVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const steps = node.inputs[4];
  const ones: readonly number[] | null = steps ? vectorOf(steps) : [];
  if (!ones?.every((step) => step === 1)) return { because: 'a Slice with steps other than 1', at: node };
  const rank = b.rank(x);
  const legacy = attributesOf(node.attrs);
  const starts = node.inputs[1] ? vectorOf(node.inputs[1]) : legacy('starts');
  const count = starts?.length;
  const axes = node.inputs[3] ? vectorOf(node.inputs[3]) : (legacy('axes') ?? range(count ?? 0));
  if (!starts || !axes) return sliceAtRunTime(b, node, dy!);
  const extents = b.dims(x);
  const out = b.dims(node.outputs[0]!);
  let gradient = dy!;
  for (const [i, raw] of axes.entries()) {
    const axis = axisOf(raw, rank);
    const [extent, length] = [extents[axis], out[axis]];
    const start = starts[i]!;
    // an extent that only the run knows: count from the end the slice is anchored at
    const before: Value =
      start >= 0
        ? b.ints([start])
        : typeof extent === 'number'
          ? b.ints([Math.max(0, extent + start)])
          : b.one('Max', [b.one('Add', [extentAt(b, x, axis), b.ints([start])]), b.ints([0])]);
    if (start >= 0 && typeof extent === 'number' && typeof length === 'number') {
      gradient = pad(
        b,
        gradient,
        b.ints([Math.min(start, extent)]),
        b.ints([extent - length - Math.min(start, extent)]),
        axis,
        x,
      );
    } else {
      const missing = b.one('Sub', [extentAt(b, x, axis), extentAt(b, node.outputs[0]!, axis)]);
      gradient = pad(b, gradient, before, b.one('Sub', [missing, before]), axis, x);
    }
  }
  return [gradient, null, null, null, null];
};

/** Starts known only at run time on one constant axis: clamp them as Slice does. */
function sliceAtRunTime(b: GradBuilder, node: Parameters<Vjp>[1], dy: Value): ReturnType<Vjp> {
  const x = input(node, 0);
  const starts = node.inputs[1];
  const axes = node.inputs[3] ? vectorOf(node.inputs[3]) : [0];
  if (!starts || axes?.length !== 1)
    return { because: 'a Slice whose starts and axes are computed', at: node };
  const axis = axisOf(axes[0]!, b.rank(x));
  const extent = extentAt(b, x, axis);
  const isNegative = b.one('Less', [starts, b.ints([0])]);
  const counted = b.one('Where', [isNegative, b.one('Add', [starts, extent]), starts]);
  const before = b.one('Min', [b.one('Max', [counted, b.ints([0])]), extent]);
  const missing = b.one('Sub', [extent, extentAt(b, node.outputs[0]!, axis)]);
  return [pad(b, dy, before, b.one('Sub', [missing, before]), axis, x), null, null, null, null];
}

/** Zeros before and after along one axis; counts are i64 vectors of length 1. */
export function pad(b: GradBuilder, x: Value, before: Value, after: Value, axis: number, like: Value): Value {
  const rank = b.rank(like);
  if (b.opset < 11) return joined(b, x, before, after, axis, like);
  const zeros = (count: number): Value[] => (count > 0 ? [b.ints(new Array<number>(count).fill(0))] : []);
  const pads = [
    ...zeros(axis),
    before,
    ...zeros(rank - 1 - axis),
    ...zeros(axis),
    after,
    ...zeros(rank - 1 - axis),
  ];
  return b.one('Pad', [x, pads.length === 1 ? pads[0]! : b.one('Concat', pads, { axis: attrInt(0) })]);
}

/** Zeros of a value's shape, without reading the value's data. */
export function zerosLike(b: GradBuilder, x: Value): Value {
  return b.one('Expand', [b.scalar(0, x), b.shapeOf(x)]);
}

export function slice(b: GradBuilder, x: Value, from: Value, to: Value, axis: number): Value {
  if (b.opset < 10) {
    const [starts, ends] = [vectorOf(from), vectorOf(to)];
    if (!starts || !ends) return b.refuse('a slice with computed bounds needs opset 10');
    return b.one('Slice', [x], { axes: attrInts([axis]), starts: attrInts(starts), ends: attrInts(ends) });
  }
  return b.one('Slice', [x, from, to, b.ints([axis])]);
}

/** As `pad`, where Pad takes no computed counts: blocks of zeros joined on. */
function joined(b: GradBuilder, x: Value, before: Value, after: Value, axis: number, like: Value): Value {
  const rank = b.rank(like);
  if (b.opset < 8) return b.refuse('padding with computed counts needs opset 8');
  const shape = b.one('Shape', [x]);
  const zeros = (count: Value): Value => {
    const extents = Array.from({ length: rank }, (_, k) => (k === axis ? count : entry(b, shape, k)));
    const wanted = rank === 1 ? count : b.one('Concat', extents, { axis: attrInt(0) });
    return b.one('Expand', [b.scalar(0, like), wanted]);
  };
  return b.one('Concat', [zeros(before), x, zeros(after)], { axis: attrInt(axis) });
}

/** One extent as an i64 vector of length 1. */
export function extentAt(b: GradBuilder, value: Value, axis: number): Value {
  const dim = b.dims(value)[axis];
  return typeof dim === 'number' ? b.ints([dim]) : entry(b, b.shapeOf(value), axis);
}

/** One entry of an i64 vector, as a vector of length 1. */
export function entry(b: GradBuilder, vector: Value, at: number): Value {
  return b.opset < 10
    ? b.one('Gather', [vector, b.ints([at])])
    : b.one('Slice', [vector, b.ints([at]), b.ints([at + 1])]);
}

/** Contents of a constant integer vector, or null. */
export function vectorOf(value: Value): readonly number[] | null {
  const { producer } = value;
  const attr = producer?.opKey === 'Constant' ? producer.attrs.get('value') : undefined;
  const list = producer?.opKey === 'Constant' ? producer.attrs.get('value_ints') : undefined;
  if (list?.kind === 'ints') return list.value.map(Number);
  const data = value.constant ?? (attr?.kind === 'tensor' ? attr.value : null);
  if (!data || (data.dtype !== 'i64' && data.dtype !== 'i32')) return null;
  return toIntegers(data);
}

function attributesOf(attrs: Parameters<Vjp>[1]['attrs']): (name: string) => readonly number[] | null {
  return (name) => {
    const attr = attrs.get(name);
    return attr?.kind === 'ints' ? attr.value.map(Number) : null;
  };
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Tile with constant repeats: fold each repeated axis in two and sum over the repeats. */
export const tileVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const repeats = vectorOf(input(node, 1));
  if (!repeats) return { because: 'its repeats are computed', at: node };
  const dims = b.dims(x);
  const parts: Value[] = [];
  const axes: number[] = [];
  for (const [axis, repeat] of repeats.entries()) {
    if (repeat !== 1) {
      axes.push(parts.length);
      parts.push(b.ints([repeat]));
    }
    const dim = dims[axis];
    parts.push(typeof dim === 'number' ? b.ints([dim]) : extentAt(b, x, axis));
  }
  if (axes.length === 0) return [dy!, null];
  const folded = b.reshape(dy!, b.one('Concat', parts, { axis: attrInt(0) }));
  return [b.reduceSum(folded, axes, false), null];
};

/** Pad with constant zeros: the inner stretch of the gradient. */
export const padVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const attr = node.attrs.get('mode');
  if (attr?.kind === 'string' && new TextDecoder().decode(attr.value) !== 'constant') {
    return { because: 'only constant padding has a gradient rule', at: node };
  }
  const pads = node.inputs[1] ? vectorOf(node.inputs[1]) : attributesOf(node.attrs)('pads');
  const rank = b.rank(x);
  if (!pads || pads.length !== 2 * rank)
    return { because: 'its pads are computed or on chosen axes', at: node };
  let gradient = dy!;
  for (let axis = 0; axis < rank; axis++) {
    const [before, after] = [pads[axis]!, pads[axis + rank]!];
    if (before === 0 && after === 0) continue;
    if (before < 0 || after < 0) return { because: 'negative padding', at: node };
    const end = b.one('Add', [b.ints([before]), extentAt(b, x, axis)]);
    gradient = slice(b, gradient, b.ints([before]), end, axis);
  }
  return [gradient, null, null, null];
};
