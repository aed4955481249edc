import { staticShape } from '../shape.js';
import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { gatherVjp } from './gradients/gather.js';
import { gatherInts } from './ints.js';
import { fromIndex, offset, stridesOf } from './nd.js';
import { attrs, axisIn, need, one, rule, tensorAt } from './rules.js';

/** Gather: y[..i.., j.., ..k..] = x[..i.., indices[j..], ..k..]: `axis` is replaced by the dimensions of the indices. */
export const Gather = op({
  name: 'Gather',
  since: 1,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const at = tensorAt(ctx, 1)?.shape;
    if (!x?.shape || !at) return one(x?.dtype, null);
    const axis = axisIn(node, attrs(node, ctx).axis, x.shape.length);
    const shape = [...x.shape.slice(0, axis), ...at, ...x.shape.slice(axis + 1)];
    const values = ctx.ints(0);
    const indices = ctx.ints(1);
    const from = staticShape(x.shape);
    const indexShape = staticShape(at);
    if (!values || !indices || !from || !indexShape) return one(x.dtype, shape);
    const [strides, indexStrides] = [stridesOf(from), stridesOf(indexShape)];
    const pick = (index: readonly number[]) => {
      const k = indices[offset(indexStrides, index.slice(axis, axis + at.length))]!;
      if (typeof k !== 'number') return null;
      const where = [...index.slice(0, axis), k < 0 ? k + from[axis]! : k, ...index.slice(axis + at.length)];
      return values[offset(strides, where)] ?? null;
    };
    return one(x.dtype, shape, gatherInts(shape, pick));
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const indices = need(inputs, 1);
    const axis = axisIn(node, attrsOf(node).axis, x.shape.length);
    const n = indices.shape.length;
    const [strides, indexStrides] = [stridesOf(x.shape), stridesOf(indices.shape)];
    const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
    return [
      fromIndex(shape, (index) => {
        const k = indices.data[offset(indexStrides, index.slice(axis, axis + n))]!;
        const where = [...index.slice(0, axis), k < 0 ? k + x.shape[axis]! : k, ...index.slice(axis + n)];
        return x.data[offset(strides, where)]!;
      }),
    ];
  },
  vjp: gatherVjp,
  throughIntegers: true,
});
