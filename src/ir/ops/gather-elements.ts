import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { gatherElementsVjp } from './gradients/gather.js';
import { fromIndex, offset, stridesOf } from './nd.js';
import { attrs, axisIn, need, one, refuse, rule, tensorAt } from './rules.js';

/** GatherElements: y[i,j,k] = x[indices[i,j,k],j,k] for axis 0, and likewise along the others. */
export const GatherElements = op({
  name: 'GatherElements',
  since: 11,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const at = tensorAt(ctx, 1)?.shape ?? null;
    if (x?.shape && at && x.shape.length !== at.length)
      refuse(node, `ranks ${x.shape.length} and ${at.length} differ`, 1);
    if (x?.shape) axisIn(node, attrs(node, ctx).axis, x.shape.length);
    return one(x?.dtype, at);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const indices = need(inputs, 1);
    const axis = axisIn(node, attrsOf(node).axis, x.shape.length);
    const [strides, indexStrides] = [stridesOf(x.shape), stridesOf(indices.shape)];
    return [
      fromIndex(indices.shape, (index) => {
        const k = indices.data[offset(indexStrides, index)]!;
        return x.data[offset(strides, index.with(axis, k < 0 ? k + x.shape[axis]! : k))]!;
      }),
    ];
  },
  vjp: gatherElementsVjp,
  throughIntegers: true,
});
