import { castInts, castNd } from './cast.js';
import { op } from './define.js';
import { castVjp } from './gradients/elementwise.js';
import { dtypeAt, need, one, rule, tensorAt } from './rules.js';

/** CastLike: the first input in the element type of the second. */
export const CastLike = op({
  name: 'CastLike',
  since: 15,
  traits: ['pure', 'elementwise'],
  infer: rule((_, ctx) => {
    const dtype = tensorAt(ctx, 1)?.dtype;
    return one(dtype, tensorAt(ctx, 0)?.shape ?? null, dtype && castInts(ctx.ints(0), dtype));
  }),
  value: (node, inputs) => [castNd(need(inputs, 0), dtypeAt(node, 1) ?? 'f64')],
  vjp: castVjp,
});
