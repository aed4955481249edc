import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { triluVjp } from './gradients/placement.js';
import { fromIndex, offset, stridesOf } from './nd.js';
import { need, one, rankIn, rule, tensorAt } from './rules.js';

/** Trilu: the upper (or lower) triangle of the last two dimensions, from diagonal k on; zero elsewhere. */
export const Trilu = op({
  name: 'Trilu',
  since: 14,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    rankIn(node, x?.shape, 2, Number.POSITIVE_INFINITY, 'the input');
    return one(x?.dtype, x?.shape ?? null);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { upper } = attrsOf(node);
    const k = inputs[1]?.data[0] ?? 0;
    const strides = stridesOf(x.shape);
    return [
      fromIndex(x.shape, (index) => {
        const diagonal = index.at(-1)! - index.at(-2)!;
        return (upper ? diagonal >= k : diagonal <= k) ? x.data[offset(strides, index)]! : 0;
      }),
    ];
  },
  vjp: triluVjp,
});
