import type { Dim, Shape } from '../shape.js';
import { attrsOf } from './attrs.js';
import { type AttrsOf, type NdArray, op } from './define.js';
import { addDim, mulDim } from './dims.js';
import { windowOf } from './families/window.js';
import { convTransposeVjp } from './gradients/conv.js';
import { fromIndex, offset, stridesOf } from './nd.js';
import { attrs, mustAgree, need, one, rankIn, rule, tensorAt, unknownDims } from './rules.js';

type Attrs = AttrsOf<'ConvTranspose'>;

/** ConvTranspose: the transpose of Conv as a linear map of x (batch, channels, spatial...); w (channels, filters/group, kernel...). */
export const ConvTranspose = op({
  name: 'ConvTranspose',
  since: 1,
  traits: ['pure'],
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
  vjp: convTransposeVjp,
});

function convTransposeShape(x: Shape | null, w: Shape | null, a: Attrs): Shape | null {
  const rank = x?.length ?? w?.length;
  if (rank === undefined) return null;
  const spatial = x?.slice(2) ?? unknownDims(rank - 2);
  const filters = w ? mulDim(w[1]!, a.group) : null;
  if (!w) return [x?.[0] ?? null, filters, ...(a.output_shape ?? unknownDims(rank - 2))];
  return [x?.[0] ?? null, filters, ...paddings(spatial, w, a).map(({ extent }) => extent)];
}

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
