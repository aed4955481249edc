import { dtypeFromOnnx } from '../dtype.js';
import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { fromIndex } from './nd.js';
import { attrs, need, one, rankIn, rule, tensorAt } from './rules.js';

/** EyeLike: ones on diagonal k of a matrix of the input's shape. */
export const EyeLike = op({
  name: 'EyeLike',
  since: 9,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    rankIn(node, x?.shape, 2, 2, 'the input');
    const { dtype } = attrs(node, ctx);
    return one(dtype ? dtypeFromOnnx(dtype) : x?.dtype, x?.shape ?? null);
  }),
  value: (node, inputs) => {
    const { k } = attrsOf(node);
    return [fromIndex(need(inputs, 0).shape, ([i, j]) => (j! - i! === k ? 1 : 0))];
  },
  stopsGradient: true,
});
