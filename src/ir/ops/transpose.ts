import type { Node } from '../model.js';
import { staticShape } from '../shape.js';
import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { transposeVjp } from './gradients/shape.js';
import { gatherInts } from './ints.js';
import { offset, stridesOf, transpose as transposeNd } from './nd.js';
import { attrs, need, one, refuse, rule, tensorAt, unknownDims } from './rules.js';
import { transposeSlices } from './slices/rules.js';

/** Transpose: dimension k of the result is dimension perm[k] of the input; without perm the order is reversed. */
export const Transpose = op({
  name: 'Transpose',
  since: 1,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const given = attrs(node, ctx).perm;
    if (!x?.shape) return one(x?.dtype, given ? unknownDims(given.length) : null);
    const perm = permOf(node, given, x.shape.length);
    const shape = perm.map((p) => x.shape![p]!);
    const values = ctx.ints(0);
    const extents = staticShape(x.shape);
    if (!values || !extents) return one(x.dtype, shape);
    const strides = perm.map((p) => stridesOf(extents)[p]!);
    return one(
      x.dtype,
      shape,
      gatherInts(shape, (index) => values[offset(strides, index)]!),
    );
  }),
  slices: (node, axis) => transposeSlices(node, axis),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    return [transposeNd(x, permOf(node, attrsOf(node).perm, x.shape.length))];
  },
  vjp: transposeVjp,
  throughIntegers: true,
});

function permOf(node: Node, perm: readonly number[] | undefined, rank: number): readonly number[] {
  const order = Array.from({ length: rank }, (_, k) => k);
  if (!perm || (perm.length === 0 && rank === 0)) return order.reverse();
  const axes = perm.map((p) => (p < 0 ? p + rank : p));
  if (axes.length !== rank || order.some((k) => !axes.includes(k))) {
    refuse(node, `perm [${perm.join(',')}] does not order ${rank} dimensions`);
  }
  return axes;
}
