import { attrInt, attrInts } from '../../attr.js';
import type { Value } from '../../model.js';
import type { AttrsOf, GradBuilder } from '../define.js';
import { extentOf, shapeOf } from './counts.js';
import { type Frame, frameOf } from './frame.js';
import { extentAt, slice } from './shape.js';
import { attributes, input, type Vjp } from './vjp.js';

/**
 * Conv: the gradient of x is the transposed convolution of dy with the same filters, of which the last `stride - 1`
 * places may lie after x and are cut off; that of the filters the convolution of x with dy, batch and channels
 * exchanged and strides and dilations too; that of the bias the sum over batch and places.
 */
export const convVjp: Vjp = (b, node, [dy]) => {
  const [x, w] = [input(node, 0), input(node, 1)];
  const a = attributes(node, 'Conv');
  const frame = frameOf(b, x, kernelOf(b, w, a.kernel_shape), a);
  const dx = b.wants(0) ? ofInput(b, dy!, x, w, frame, a.group) : null;
  const dw = b.wants(1) ? ofFilters(b, dy!, x, x, frame, a.group) : null;
  return [dx, dw, node.inputs[2] && b.wants(2) ? ofBias(b, dy!, x) : null];
};

/**
 * ConvTranspose is the gradient of a Conv: its own gradient is that Conv, over dy. Filters as for Conv, with the roles of x
 * and dy exchanged.
 */
export const convTransposeVjp: Vjp = (b, node, [dy]) => {
  const [x, w] = [input(node, 0), input(node, 1)];
  const a = attributes(node, 'ConvTranspose');
  const frame = transposedFrame(b, x, kernelOf(b, w, a.kernel_shape), a);
  const dx = b.wants(0) ? ofTransposedInput(b, dy!, x, w, frame, a) : null;
  const dw = b.wants(1) ? ofFilters(b, x, dy!, node.outputs[0]!, frame, a.group) : null;
  return [dx, dw, node.inputs[2] && b.wants(2) ? ofBias(b, dy!, x) : null];
};

function kernelOf(b: GradBuilder, w: Value, given: readonly number[] | undefined): readonly number[] {
  return (given ?? b.dims(w).slice(2)).map((extent) =>
    typeof extent === 'number' ? extent : b.refuse('the extents of its filters are unknown'),
  );
}

function ofInput(b: GradBuilder, dy: Value, x: Value, w: Value, frame: Frame, group: number): Value {
  const { kernel, strides, dilations, before, after } = frame;
  const wide = b.one('ConvTranspose', [dy, w], {
    kernel_shape: attrInts(kernel),
    strides: attrInts(strides),
    dilations: attrInts(dilations),
    pads: attrInts([...before, ...after]),
    output_padding: attrInts(strides.map((stride) => stride - 1)),
    group: attrInt(group),
  });
  return strides.reduce(
    (cut, stride, s) => (stride === 1 ? cut : slice(b, cut, b.ints([0]), extentAt(b, x, s + 2), s + 2)),
    wide,
  );
}

function ofTransposedInput(
  b: GradBuilder,
  dy: Value,
  x: Value,
  w: Value,
  { kernel, strides, dilations, before, after }: Frame,
  { group, output_padding: extra = [] }: AttrsOf<'ConvTranspose'>,
): Value {
  const wide = b.one('Conv', [dy, w], {
    kernel_shape: attrInts(kernel),
    strides: attrInts(strides),
    dilations: attrInts(dilations),
    pads: attrInts([...before, ...after]),
    group: attrInt(group),
  });
  // with output padding as wide as a stride one more window fits in
  return strides.reduce(
    (cut, stride, s) =>
      (extra[s] ?? 0) < stride ? cut : slice(b, cut, b.ints([0]), extentAt(b, x, s + 2), s + 2),
    wide,
  );
}

/** The gradient of filters that slide over `wide`, of the extents of `like`, and gave `narrow` or were given it. */
function ofFilters(
  b: GradBuilder,
  narrow: Value,
  wide: Value,
  like: Value,
  frame: Frame,
  group: number,
): Value {
  const { kernel, strides, dilations, before, after } = frame;
  const swap = [1, 0, ...kernel.map((_, s) => s + 2)];
  const data = group === 1 ? b.transpose(wide, swap) : byGroup(b, wide, like, group);
  const sums = b.one('Conv', [data, b.transpose(narrow, swap)], {
    strides: attrInts(dilations),
    dilations: attrInts(strides),
    pads: attrInts([...before, ...after]),
    group: attrInt(group),
  });
  // with strides some input after the last window is left: it gives positions that belong to no filter
  const cut = kernel.reduce(
    (all, extent, s) => (strides[s] === 1 ? all : slice(b, all, b.ints([0]), b.ints([extent]), s + 2)),
    sums,
  );
  return b.transpose(cut, swap);
}

/** (batch, group * channels, places...) as (channels, group * batch, places...): each group convolves its own channels. */
function byGroup(b: GradBuilder, x: Value, like: Value, group: number): Value {
  const places = b
    .dims(like)
    .slice(2)
    .map((_, s) => extentOf(b, like, s + 2));
  const apart = b.reshape(x, shapeOf(b, [0, group, -1, ...places]));
  const swapped = b.transpose(apart, [2, 1, 0, ...places.map((_, s) => s + 3)]);
  return b.reshape(swapped, shapeOf(b, [0, -1, ...places]));
}

function ofBias(b: GradBuilder, dy: Value, x: Value): Value {
  const places = b.dims(x).flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  return b.reduceSum(dy, places, false);
}

/** The frame of the Conv whose gradient a ConvTranspose is. */
function transposedFrame(
  b: GradBuilder,
  x: Value,
  kernel: readonly number[],
  a: AttrsOf<'ConvTranspose'>,
): Frame {
  const same = a.auto_pad === 'SAME_UPPER' || a.auto_pad === 'SAME_LOWER';
  const wanted = a.output_shape?.slice(-kernel.length);
  const frame = frameOf(b, x, kernel, { ...a, auto_pad: a.auto_pad === 'VALID' ? 'VALID' : 'NOTSET' });
  if (!same && !wanted) return frame;
  const totals = kernel.map((extent, s) => {
    const [stride, dilation] = [frame.strides[s]!, frame.dilations[s]!];
    const full = (a.output_padding?.[s] ?? 0) + (extent - 1) * dilation + 1 - stride;
    const dim = b.dims(x)[s + 2];
    if (wanted && typeof dim !== 'number')
      return b.refuse('its padding depends on an extent that varies (output_shape)');
    const total = wanted ? full + stride * Number(dim) - wanted[s]! : full;
    return total < 0 ? b.refuse('its result is wider than its windows reach') : total;
  });
  const before = totals.map((total) =>
    a.auto_pad === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2),
  );
  return { ...frame, before, after: totals.map((total, s) => total - before[s]!) };
}
