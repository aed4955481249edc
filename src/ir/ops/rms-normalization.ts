import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { affine, normalise } from './families/norm.js';
import { rmsNormVjp } from './gradients/norm.js';
import { attrs, axisIn, need, one, rule, tensorAt } from './rules.js';
import { leadingSlices } from './slices/rules.js';

/** RMSNormalization: x / sqrt(mean(x^2) + epsilon) * scale over the dimensions from `axis` on. */
export const RMSNormalization = op({
  name: 'RMSNormalization',
  since: 23,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    if (x?.shape) axisIn(node, attrs(node, ctx).axis, x.shape.length);
    return one(x?.dtype, x?.shape ?? null);
  }),
  slices: (node, axis) => leadingSlices(node, axis, attrsOf(node).axis),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { axis, epsilon } = attrsOf(node);
    return [
      affine(normalise(x, axisIn(node, axis, x.shape.length), epsilon, false).y, need(inputs, 1), null),
    ];
  },
  vjp: rmsNormVjp,
});
