import { attrInt, attrInts } from '../../attr.js';
import type { Value } from '../../model.js';
import type { AttrsOf, GradBuilder } from '../define.js';
import { extentAt, slice } from './shape.js';
import { attributes, input, type Vjp } from './vjp.js';

/** Where the window of a convolution goes along each spatial axis, with what the attributes leave out filled in. */
interface Frame {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/**
 * Conv: the gradient of x is the transposed convolution of dy with the same filters, of which the last `stride - 1`
 * places may lie behind x and are cut off; that of the filters the convolution of x with dy, batch and channels
 * exchanged and strides and dilations too; that of the bias the sum over batch and places.
 */
export const convVjp: Vjp = (b, node, [dy]) => {
  const [x, w] = [input(node, 0), input(node, 1)];
  const bias = node.inputs[2] ?? null;
  const a = attributes(node, 'Conv');
  const frame = frameOf(b, x, w, a);
  const dx = b.wants(0) ? ofInput(b, dy!, x, w, frame, a.group) : null;
  if (b.wants(1) && a.group !== 1)
    return { because: 'its filters are trained and its channels are in groups', at: node };
  const dw = b.wants(1) ? ofFilters(b, dy!, x, frame) : null;
  const places = b.dims(x).flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  return [dx, dw, bias && b.wants(2) ? b.reduceSum(dy!, places, false) : null];
};

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

function ofFilters(b: GradBuilder, dy: Value, x: Value, frame: Frame): Value {
  const { kernel, strides, dilations, before, after } = frame;
  const swap = [1, 0, ...kernel.map((_, s) => s + 2)];
  const wide = b.one('Conv', [b.transpose(x, swap), b.transpose(dy, swap)], {
    strides: attrInts(dilations),
    dilations: attrInts(strides),
    pads: attrInts([...before, ...after]),
  });
  // with strides some input behind the last window is left: it gives places that are no filter's
  const cut = kernel.reduce(
    (all, extent, s) => (strides[s] === 1 ? all : slice(b, all, b.ints([0]), b.ints([extent]), s + 2)),
    wide,
  );
  return b.transpose(cut, swap);
}

function frameOf(b: GradBuilder, x: Value, w: Value, a: AttrsOf<'Conv'>): Frame {
  const spatial = b.dims(x).slice(2);
  const kernel = (a.kernel_shape ?? b.dims(w).slice(2)).map((extent) =>
    typeof extent === 'number' ? extent : b.refuse('the extents of its filters are unknown'),
  );
  const strides = a.strides ?? kernel.map(() => 1);
  const dilations = a.dilations ?? kernel.map(() => 1);
  const { auto_pad: auto } = a;
  if (auto !== 'SAME_UPPER' && auto !== 'SAME_LOWER') {
    const pads = (auto === 'VALID' ? null : a.pads) ?? kernel.flatMap(() => [0, 0]);
    return {
      kernel,
      strides,
      dilations,
      before: pads.slice(0, kernel.length),
      after: pads.slice(kernel.length),
    };
  }
  const totals = kernel.map((extent, s) => {
    const reach = (extent - 1) * dilations[s]! + 1;
    const dim = spatial[s];
    if (strides[s] === 1) return reach - 1;
    if (typeof dim !== 'number')
      return b.refuse(`its padding depends on an extent that varies (auto_pad ${auto}, strides above 1)`);
    return Math.max(0, (Math.ceil(dim / strides[s]!) - 1) * strides[s]! + reach - dim);
  });
  const less = totals.map((total) => Math.floor(total / 2));
  const more = totals.map((total) => Math.ceil(total / 2));
  const [before, after] = auto === 'SAME_UPPER' ? [less, more] : [more, less];
  return { kernel, strides, dilations, before, after };
}
