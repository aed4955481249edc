import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { productOf } from './dims.js';
import { reshapeVjp } from './gradients/shape.js';
import { reshape, sizeOf } from './nd.js';
import { attrs, need, one, refuse, rule, tensorAt } from './rules.js';

/** Flatten: a matrix; dimensions before `axis` become the rows, the others the columns. */
export const Flatten = op({
  name: 'Flatten',
  since: 1,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    if (!x?.shape) return one(x?.dtype, [null, null]);
    let { axis } = attrs(node, ctx);
    if (axis < -x.shape.length || axis > x.shape.length)
      refuse(node, `axis ${axis} is outside rank ${x.shape.length}`);
    if (axis < 0) axis += x.shape.length;
    return one(x.dtype, [productOf(x.shape.slice(0, axis)), productOf(x.shape.slice(axis))]);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { axis } = attrsOf(node);
    const at = axis < 0 ? axis + x.shape.length : axis;
    return [reshape(x, [sizeOf(x.shape.slice(0, at)), sizeOf(x.shape.slice(at))])];
  },
  vjp: reshapeVjp,
  throughIntegers: true,
});
