import type { Node } from '../model.js';
import type { Dim } from '../shape.js';
import { attrsOf } from './attrs.js';
import { type InferContext, type NdArray, type OpDef, op } from './define.js';
import { topKVjp } from './gradients/placement.js';
import { fromIndex, offset, stridesOf } from './nd.js';
import { attrs, axisIn, need, rule, tensorAt, typeOf } from './rules.js';

/** TopK: the k greatest (or least) elements along an axis and their indices. k is an attribute before version 10. */
export const TopK = op([topKOf(1, 9), topKOf(10)], { vjp: topKVjp });

function topKOf(since: number, until?: number): OpDef<'TopK'> {
  const asInput = since >= 10;
  const countFor = (node: Node<'TopK'>, ctx: InferContext): Dim =>
    asInput ? (ctx.ints(1)?.[0] ?? null) : (attrs(node, ctx).k ?? null);
  return op({
    name: 'TopK',
    since,
    ...(until ? { until } : {}),
    traits: ['pure'],
    infer: rule((node, ctx) => {
      const x = tensorAt(ctx, 0);
      const axis = x?.shape ? axisIn(node, attrs(node, ctx).axis, x.shape.length) : 0;
      const shape = x?.shape?.with(axis, countFor(node, ctx)) ?? null;
      return { types: [typeOf(x?.dtype, shape), typeOf('i64', shape)] };
    }),
    value: (node, inputs): NdArray[] => {
      const x = need(inputs, 0);
      const a = attrsOf(node);
      const axis = axisIn(node, a.axis, x.shape.length);
      const k = asInput ? need(inputs, 1).data[0]! : a.k!;
      const strides = stridesOf(x.shape);
      const sign = a.largest === 0 ? 1 : -1;
      const ranked = (index: readonly number[]): readonly [number, number][] =>
        Array.from({ length: x.shape[axis]! }, (_, i): [number, number] => [
          x.data[offset(strides, index.with(axis, i))]!,
          i,
        ]).sort((p, q) => sign * (p[0] - q[0]) || p[1] - q[1]);
      const pick = (which: 0 | 1): NdArray =>
        fromIndex(x.shape.with(axis, k), (index) => ranked(index)[index[axis]!]![which]);
      return [pick(0), pick(1)];
    },
  });
}
