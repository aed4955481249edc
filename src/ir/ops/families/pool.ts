import { attrsOf } from '../attrs.js';
import type { AttrsOf, NdArray, OpDef, OpName } from '../define.js';
import { fromIndex, offset, stridesOf } from '../nd.js';
import { attrs, need, rankIn, rule, tensorAt, typeOf } from '../rules.js';
import { padsBefore, type WindowAttrs, windowExtents, windowOf } from './window.js';

type PoolAttrs = WindowAttrs & {
  readonly kernel_shape: readonly number[];
  readonly count_include_pad?: number;
};

/** What one window covers. */
export interface Covered {
  /** the elements that lie in the input, in row-major order */
  readonly values: readonly number[];
  /** where each of them lies in the flattened input */
  readonly offsets: readonly number[];
  /** how many places the window has within the padded input; without padding where count_include_pad is 0 */
  readonly places: number;
}

/** Pooling of (batch, channels, spatial...) over windows. `f` makes one element of each output from a window. */
export function pool<const Op extends OpName>(
  name: Op,
  f: (window: Covered) => readonly number[],
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
    value: (node, inputs): NdArray[] => {
      const x = need(inputs, 0);
      const a = attrsOf(node) as AttrsOf<Op> & PoolAttrs;
      const spatial = x.shape.slice(2);
      const frame = windowOf(a.kernel_shape, a);
      const before = padsBefore(spatial, frame, a);
      const strides = stridesOf(x.shape);
      const shape = [...x.shape.slice(0, 2), ...(windowExtents(spatial, frame, a) as number[])];
      // with ceil_mode a window may reach beyond the padding, where it has no places
      const explicit = a.auto_pad === undefined || a.auto_pad === 'NOTSET';
      const ends = spatial.map((n, s) => (explicit ? n + (a.pads?.[s + spatial.length] ?? 0) : Infinity));
      const covered = (index: readonly number[]): Covered => {
        const [values, offsets]: [number[], number[]] = [[], []];
        let padded = 0;
        fromIndex(a.kernel_shape, (k) => {
          const at = spatial.map(
            (_, s) => index[s + 2]! * frame.strides[s]! + k[s]! * frame.dilations[s]! - before[s]!,
          );
          if (at.every((p, s) => p < ends[s]!)) padded++;
          if (!at.every((p, s) => p >= 0 && p < spatial[s]!)) return 0;
          const from = offset(strides, [index[0]!, index[1]!, ...at]);
          values.push(x.data[from]!);
          offsets.push(from);
          return 0;
        });
        return { values, offsets, places: a.count_include_pad ? padded : values.length };
      };
      return node.outputs.map((_, k) => fromIndex(shape, (index) => f(covered(index))[k]!));
    },
  };
}
