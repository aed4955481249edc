import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { combine } from './families/scatter.js';
import { scatterElementsVjp } from './gradients/placement.js';
import { fromIndex, offset, stridesOf } from './nd.js';
import { attrs, axisIn, need, one, rule, tensorAt } from './rules.js';

/** ScatterElements: x with y[indices[i,j,k],j,k] set to (or combined with) updates[i,j,k] for axis 0, and likewise. */
export const ScatterElements = op({
  name: 'ScatterElements',
  since: 11,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    if (x?.shape) axisIn(node, attrs(node, ctx).axis, x.shape.length);
    return one(x?.dtype, x?.shape ?? null);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const indices = need(inputs, 1);
    const updates = need(inputs, 2);
    const a = attrsOf(node);
    const axis = axisIn(node, a.axis, x.shape.length);
    const data = Float64Array.from(x.data);
    const [strides, indexStrides] = [stridesOf(x.shape), stridesOf(indices.shape)];
    fromIndex(indices.shape, (index) => {
      const from = offset(indexStrides, index);
      const k = indices.data[from]!;
      const to = offset(strides, index.with(axis, k < 0 ? k + x.shape[axis]! : k));
      data[to] = combine(a.reduction, data[to]!, updates.data[from]!);
      return 0;
    });
    return [{ shape: x.shape, data }];
  },
  vjp: scatterElementsVjp,
});
