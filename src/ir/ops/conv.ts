import type { Shape } from '../shape.js';
import { attrsOf } from './attrs.js';
import { type AttrsOf, type NdArray, op } from './define.js';
import { mulDim } from './dims.js';
import { elements } from './families/matrix.js';
import { padsBefore, windowExtents, windowOf } from './families/window.js';
import { convVjp } from './gradients/conv.js';
import { fromIndex, offset, stridesOf } from './nd.js';
import {
  attrs,
  dimExpr,
  mustAgree,
  need,
  one,
  product,
  rankIn,
  rule,
  shapeAt,
  sum,
  tensorAt,
  unknownDims,
} from './rules.js';

/** Conv: cross-correlation of x (batch, channels, spatial...) with w (filters, channels/group, kernel...), plus bias. */
export const Conv = op({
  name: 'Conv',
  since: 1,
  traits: ['pure'],
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
    const perOutput = w ? product(2, ...w.slice(1).map(dimExpr)) : dimExpr(null);
    return {
      flops: product(elements(result), perOutput),
      bytes: product(4, sum(...[x, w, result].map(elements))),
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
  vjp: convVjp,
});

function convShape(x: Shape | null, w: Shape | null, a: AttrsOf<'Conv'>): Shape | null {
  const rank = x?.length ?? w?.length;
  if (rank === undefined) return null;
  const kernel = a.kernel_shape ?? w?.slice(2) ?? unknownDims(rank - 2);
  const spatial = x?.slice(2) ?? unknownDims(rank - 2);
  return [x?.[0] ?? null, w?.[0] ?? null, ...windowExtents(spatial, windowOf(kernel, a), a)];
}
