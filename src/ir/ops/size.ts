import { op } from './define.js';
import { productOf } from './dims.js';
import { scalar } from './nd.js';
import { need, one, rule, tensorAt } from './rules.js';

/** Size: the number of elements. */
export const Size = op({
  name: 'Size',
  since: 1,
  traits: ['pure'],
  infer: rule((_, ctx) => {
    const dims = tensorAt(ctx, 0)?.shape;
    return one('i64', [], dims ? [productOf(dims)] : null);
  }),
  value: (_, inputs) => [scalar(need(inputs, 0).data.length)],
  stopsGradient: true,
});
