import { attrInt, attrInts } from '../attr.js';
import type { Value } from '../model.js';
import type { Dim, Shape } from '../shape.js';
import { attrsOf } from './core/attrs.js';
import { extentOf, shapeOfCounts } from './core/counts.js';
import { type AttrsOf, type GradBuilder, type NdArray, op } from './core/define.js';
import { addDim, mulDim } from './core/dims.js';
import { attributes, input } from './core/gradient.js';
import { extentAt, slice } from './core/gradient-shape.js';
import { elements } from './core/matrix.js';
import { fromIndex, offset, stridesOf } from './core/nd.js';
import {
  attrs,
  dimExpr,
  dimProduct,
  mustAgree,
  need,
  one,
  rankIn,
  rule,
  shapeAt,
  sum,
  tensorAt,
  unknownDims,
} from './core/rules.js';
import { frameOf, padsBefore, type WindowFrame, windowExtents, windowOf } from './core/window.js';

/** Convolutions. */

function convShape(x: Shape | null, w: Shape | null, a: AttrsOf<'Conv'>): Shape | null {
  const rank = x?.length ?? w?.length;
  if (rank === undefined) return null;
  const kernel = a.kernel_shape ?? w?.slice(2) ?? unknownDims(rank - 2);
  const spatial = x?.slice(2) ?? unknownDims(rank - 2);
  return [x?.[0] ?? null, w?.[0] ?? null, ...windowExtents(spatial, windowOf(kernel, a), a)];
}

function kernelOf(b: GradBuilder, w: Value, given: readonly number[] | undefined): readonly number[] {
  return (given ?? b.dims(w).slice(2)).map((extent) =>
    typeof extent === 'number' ? extent : b.refuse('the extents of its filters are unknown'),
  );
}

function ofInput(b: GradBuilder, dy: Value, x: Value, w: Value, frame: WindowFrame, group: number): Value {
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

/** (batch, group * channels, places...) as (channels, group * batch, places...): each group convolves its own channels. */
function byGroup(b: GradBuilder, x: Value, like: Value, group: number): Value {
  const places = b
    .dims(like)
    .slice(2)
    .map((_, s) => extentOf(b, like, s + 2));
  const apart = b.reshape(x, shapeOfCounts(b, [0, group, -1, ...places]));
  const swapped = b.transpose(apart, [2, 1, 0, ...places.map((_, s) => s + 3)]);
  return b.reshape(swapped, shapeOfCounts(b, [0, -1, ...places]));
}

/** The gradient of filters that slide over `wide`, of the extents of `like`, and gave `narrow` or were given it. */
function ofFilters(
  b: GradBuilder,
  narrow: Value,
  wide: Value,
  like: Value,
  frame: WindowFrame,
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

function ofBias(b: GradBuilder, dy: Value, x: Value): Value {
  const places = b.dims(x).flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  return b.reduceSum(dy, places, false);
}

/** Conv: cross-correlation of x (batch, channels, spatial...) with w (filters, channels/group, kernel...), plus bias. */
export const Conv = op({
  name: 'Conv',
  since: 1,
  traits: ['pure'],
  linear: { weight: 1, bias: 2, form: 'window' },
  infer: rule((node, ctx) => {
    const [x, w] = [tensorAt(ctx, 0), tensorAt(ctx, 1)];
    const a = attrs(node, ctx);
    rankIn(node, x?.shape, 3, Number.POSITIVE_INFINITY, 'the input');
    rankIn(node, w?.shape, 3, Number.POSITIVE_INFINITY, 'the filters');
    if (x?.shape && w?.shape) {
      rankIn(node, w.shape, x.shape.length, x.shape.length, 'the filters');
      mustAgree(node, x.shape[1], mulDim(w.shape[1]!, a.group), 'channels');
    }
    return one(x?.dtype ?? w?.dtype, convShape(x?.shape ?? null, w?.shape ?? null, a));
  }),
  cost: (node) => {
    const [x, w] = [shapeAt(node, 0), shapeAt(node, 1)];
    const result = convShape(x, w, attrsOf(node));
    const perOutput = w ? dimProduct(2, ...w.slice(1).map(dimExpr)) : dimExpr(null);
    return {
      flops: dimProduct(elements(result), perOutput),
      bytes: dimProduct(4, sum(...[x, w, result].map(elements))),
    };
  },
  value: (node, inputs): NdArray[] => {
    const a = attrsOf(node);
    const [x, w, bias] = [need(inputs, 0), need(inputs, 1), inputs[2]];
    const spatial = x.shape.slice(2);
    const frame = windowOf(a.kernel_shape ?? w.shape.slice(2), a);
    const before = padsBefore(spatial, frame, a);
    const shape = convShape(x.shape, w.shape, a) as readonly number[];
    const [xs, ws] = [stridesOf(x.shape), stridesOf(w.shape)];
    const perGroup = w.shape[0]! / a.group;
    const kernel = w.shape.slice(1);
    return [
      fromIndex(shape, (index) => {
        const first = Math.floor(index[1]! / perGroup) * w.shape[1]!;
        let total = bias?.data[index[1]!] ?? 0;
        fromIndex(kernel, (k) => {
          const at = spatial.map(
            (_, s) => index[s + 2]! * frame.strides[s]! + k[s + 1]! * frame.dilations[s]! - before[s]!,
          );
          if (at.every((p, s) => p >= 0 && p < spatial[s]!)) {
            total +=
              x.data[offset(xs, [index[0]!, first + k[0]!, ...at])]! * w.data[offset(ws, [index[1]!, ...k])]!;
          }
          return 0;
        });
        return total;
      }),
    ];
  },

  /**
   * Conv: the gradient of x is the transposed convolution of dy with the same filters, of which the last `stride - 1`
   * places may lie after x and are cut off; that of the filters the convolution of x with dy, batch and channels
   * exchanged and strides and dilations too; that of the bias the sum over batch and places.
   */
  vjp: (b, node, [dy]) => {
    const [x, w] = [input(node, 0), input(node, 1)];
    const a = attributes(node, 'Conv');
    const frame = frameOf(b, x, kernelOf(b, w, a.kernel_shape), a);
    const dx = b.wants(0) ? ofInput(b, dy!, x, w, frame, a.group) : null;
    const dw = b.wants(1) ? ofFilters(b, dy!, x, x, frame, a.group) : null;
    return [dx, dw, node.inputs[2] && b.wants(2) ? ofBias(b, dy!, x) : null];
  },
  cases: [
    {
      inputs: ['float[2,4,7,6]', 'float[6,2,3,2]', 'float[6]'],
      attrs: { group: 2, strides: [2, 1], pads: [1, 0, 2, 1], dilations: [1, 2] },
    },
    { inputs: ['float[1,3,5]', 'float[2,3,2]'], attrs: { auto_pad: 'SAME_UPPER', strides: [2] } },
  ],
});

type Attrs = AttrsOf<'ConvTranspose'>;

/** Extent of each spatial dimension of the result, and how much of its beginning is cut off. */
function paddings(spatial: Shape, w: Shape, a: Attrs): { readonly extent: Dim; readonly before: number }[] {
  const frame = windowOf(a.kernel_shape ?? w.slice(2), a);
  const same = a.auto_pad === 'SAME_UPPER' || a.auto_pad === 'SAME_LOWER';
  return spatial.map((dim, s) => {
    const [stride, kernel] = [frame.strides[s]!, frame.kernel[s]!];
    if (typeof kernel !== 'number') return { extent: null, before: 0 };
    const added = (a.output_padding?.[s] ?? 0) + (kernel - 1) * frame.dilations[s]! + 1 - stride;
    const full = addDim(mulDim(dim, stride), added);
    const asked = a.output_shape?.[s] ?? (same ? mulDim(dim, stride) : null);
    if (asked !== null) {
      const cut = typeof full === 'number' && typeof asked === 'number' ? full - asked : 0;
      return {
        extent: asked,
        before: a.auto_pad === 'SAME_UPPER' ? Math.floor(cut / 2) : Math.ceil(cut / 2),
      };
    }
    const pads = a.pads && a.auto_pad !== 'VALID' ? a.pads : [];
    const [front, back] = [pads[s] ?? 0, pads[s + spatial.length] ?? 0];
    return { extent: addDim(full, -front - back), before: front };
  });
}

function convTransposeShape(x: Shape | null, w: Shape | null, a: Attrs): Shape | null {
  const rank = x?.length ?? w?.length;
  if (rank === undefined) return null;
  const spatial = x?.slice(2) ?? unknownDims(rank - 2);
  const filters = w ? mulDim(w[1]!, a.group) : null;
  if (!w) return [x?.[0] ?? null, filters, ...(a.output_shape ?? unknownDims(rank - 2))];
  return [x?.[0] ?? null, filters, ...paddings(spatial, w, a).map(({ extent }) => extent)];
}

/** The frame of the Conv whose gradient a ConvTranspose is. */
function transposedFrame(
  b: GradBuilder,
  x: Value,
  kernel: readonly number[],
  a: AttrsOf<'ConvTranspose'>,
): WindowFrame {
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

function ofTransposedInput(
  b: GradBuilder,
  dy: Value,
  x: Value,
  w: Value,
  { kernel, strides, dilations, before, after }: WindowFrame,
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

/** ConvTranspose: the transpose of Conv as a linear map of x (batch, channels, spatial...); w (channels, filters/group, kernel...). */
export const ConvTranspose = op({
  name: 'ConvTranspose',
  since: 1,
  traits: ['pure'],
  linear: { weight: 1, does: 'is a transposed convolution' },
  infer: rule((node, ctx) => {
    const [x, w] = [tensorAt(ctx, 0), tensorAt(ctx, 1)];
    const a = attrs(node, ctx);
    rankIn(node, x?.shape, 3, Number.POSITIVE_INFINITY, 'the input');
    if (x?.shape && w?.shape) {
      rankIn(node, w.shape, x.shape.length, x.shape.length, 'the filters');
      mustAgree(node, x.shape[1], w.shape[0], 'channels');
    }
    return one(x?.dtype ?? w?.dtype, convTransposeShape(x?.shape ?? null, w?.shape ?? null, a));
  }),
  value: (node, inputs): NdArray[] => {
    const a = attrsOf(node);
    const [x, w, bias] = [need(inputs, 0), need(inputs, 1), inputs[2]];
    const shape = convTransposeShape(x.shape, w.shape, a) as readonly number[];
    const frame = windowOf(a.kernel_shape ?? w.shape.slice(2), a);
    const before = paddings(x.shape.slice(2), w.shape, a).map(({ before }) => before);
    const perGroup = { in: x.shape[1]! / a.group, out: w.shape[1]! };
    const [xs, ws] = [stridesOf(x.shape), stridesOf(w.shape)];
    return [
      fromIndex(shape, (index) => {
        const group = Math.floor(index[1]! / perGroup.out);
        let total = bias?.data[index[1]!] ?? 0;
        fromIndex([perGroup.in, ...w.shape.slice(2)], (k) => {
          const channel = group * perGroup.in + k[0]!;
          // the place of the input whose window reaches this output at offset k, if there is one
          const at = before.map(
            (pad, s) => (index[s + 2]! + pad - k[s + 1]! * frame.dilations[s]!) / frame.strides[s]!,
          );
          if (at.every((p, s) => Number.isInteger(p) && p >= 0 && p < x.shape[s + 2]!)) {
            total +=
              x.data[offset(xs, [index[0]!, channel, ...at])]! *
              w.data[offset(ws, [channel, index[1]! - group * perGroup.out, ...k.slice(1)])]!;
          }
          return 0;
        });
        return total;
      }),
    ];
  },

  /**
   * ConvTranspose is the gradient of a Conv: its own gradient is that Conv, over dy. Filters as for Conv, with the roles of x
   * and dy exchanged.
   */
  vjp: (b, node, [dy]) => {
    const [x, w] = [input(node, 0), input(node, 1)];
    const a = attributes(node, 'ConvTranspose');
    const frame = transposedFrame(b, x, kernelOf(b, w, a.kernel_shape), a);
    const dx = b.wants(0) ? ofTransposedInput(b, dy!, x, w, frame, a) : null;
    const dw = b.wants(1) ? ofFilters(b, x, dy!, node.outputs[0]!, frame, a.group) : null;
    return [dx, dw, node.inputs[2] && b.wants(2) ? ofBias(b, dy!, x) : null];
  },
  cases: [
    { inputs: ['float[2,3,4,5]', 'float[3,2,3,2]', 'float[2]'] },
    { inputs: ['float[1,4,5]', 'float[4,3,3]'], attrs: { group: 2, strides: [3], output_padding: [2] } },
    {
      inputs: ['float[1,2,4,5]', 'float[2,3,2,3]'],
      attrs: { strides: [2, 1], dilations: [1, 2], pads: [1, 0, 0, 2] },
    },
    { inputs: ['float[1,2,4]', 'float[2,3,3]'], attrs: { strides: [2], output_shape: [10] }, gradient: [] },
    { inputs: ['float[1,2,4]', 'float[2,3,3]'], attrs: { strides: [2], output_shape: [8] } },
    { inputs: ['float[1,2,4]', 'float[2,3,3]'], attrs: { strides: [2], auto_pad: 'SAME_UPPER' } },
  ],
});
