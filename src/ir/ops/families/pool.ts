import { attrsOf } from '../attrs.js';
import type { AttrsOf, NdArray, OpDef, OpName } from '../define.js';
import { fromIndex, offset, stridesOf } from '../nd.js';
import { attrs, need, rankIn, rule, tensorAt, typeOf } from '../rules.js';
import { padsBefore, type WindowAttrs, windowExtents, windowOf } from './window.js';

type PoolAttrs = WindowAttrs & {
  readonly kernel_shape: readonly number[];
  readonly count_include_pad?: number;
};

/**
 * Pooling of (batch, channels, spatial...) over windows. `f` gets the elements of the window that lie in the input and
 * the number of places it has (padding included when count_include_pad says so).
 */
export function pool<const Op extends OpName>(
  name: Op,
  f: (values: readonly number[], places: number) => number,
): OpDef<Op> {
  return {
    name,
    since: 1,
    traits: ['pure'],
    infer: rule<Op>((node, ctx) => {
      const x = tensorAt(ctx, 0);
      const a = attrs(node, ctx) as PoolAttrs;
      if (!x?.shape)
        return { types: node.outputs.map((_, k) => typeOf(k === 0 ? x?.dtype : x && 'i64', null)) };
      rankIn(node, x.shape, 2 + a.kernel_shape.length, 2 + a.kernel_shape.length, 'the input');
      const shape = [
        ...x.shape.slice(0, 2),
        ...windowExtents(x.shape.slice(2), windowOf(a.kernel_shape, a), a),
      ];
      return { types: node.outputs.map((_, k) => typeOf(k === 0 ? x.dtype : 'i64', shape)) };
    }),
    evaluate: (node, inputs): NdArray[] => {
      const x = need(inputs, 0);
      const a = attrsOf(node) as AttrsOf<Op> & PoolAttrs;
      const spatial = x.shape.slice(2);
      const frame = windowOf(a.kernel_shape, a);
      const before = padsBefore(spatial, frame, a);
      const strides = stridesOf(x.shape);
      const shape = [...x.shape.slice(0, 2), ...(windowExtents(spatial, frame, a) as number[])];
      return [
        fromIndex(shape, (index) => {
          const values: number[] = [];
          fromIndex(a.kernel_shape, (k) => {
            const at = spatial.map(
              (_, s) => index[s + 2]! * frame.strides[s]! + k[s]! * frame.dilations[s]! - before[s]!,
            );
            if (at.every((p, s) => p >= 0 && p < spatial[s]!)) {
              values.push(x.data[offset(strides, [index[0]!, index[1]!, ...at])]!);
            }
            return 0;
          });
          return f(values, a.count_include_pad ? a.kernel_shape.reduce((p, q) => p * q, 1) : values.length);
        }),
      ];
    },
  };
}
