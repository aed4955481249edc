import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { fromIndex, offset, stridesOf } from './nd.js';
import { attrs, axisIn, need, one, rule, tensorAt } from './rules.js';

/** OneHot: a new dimension of extent `depth` that holds values[1] at the index and values[0] elsewhere. */
export const OneHot = op({
  name: 'OneHot',
  since: 9,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const shape = tensorAt(ctx, 0)?.shape;
    const dtype = tensorAt(ctx, 2)?.dtype;
    if (!shape) return one(dtype, null);
    const axis = axisIn(node, attrs(node, ctx).axis, shape.length + 1);
    return one(dtype, shape.toSpliced(axis, 0, ctx.ints(1)?.[0] ?? null));
  }),
  value: (node, inputs) => {
    const indices = need(inputs, 0);
    const depth = need(inputs, 1).data[0]!;
    const values = need(inputs, 2).data;
    const axis = axisIn(node, attrsOf(node).axis, indices.shape.length + 1);
    const strides = stridesOf(indices.shape);
    return [
      fromIndex(indices.shape.toSpliced(axis, 0, depth), (index) => {
        const k = indices.data[offset(strides, index.toSpliced(axis, 1))]!;
        return values[index[axis] === (k < 0 ? k + depth : k) ? 1 : 0]!;
      }),
    ];
  },
  stopsGradient: true,
});
