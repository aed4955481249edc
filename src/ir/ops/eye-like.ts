import { dtypeFromOnnx } from '../dtype.js';
import { attrsOf } from './attrs.js';
import { defineOp } from './define.js';
import { withoutGradient } from './gradients/attach.js';
import { fromIndex } from './nd.js';
import { attrs, need, one, rankIn, rule, tensorAt } from './rules.js';

/** EyeLike: ones on diagonal k of a matrix of the input's shape. */
export const eyeLike = withoutGradient(
  defineOp({
    name: 'EyeLike',
    since: 9,
    traits: ['pure'],
    infer: rule((node, ctx) => {
      const x = tensorAt(ctx, 0);
      rankIn(node, x?.shape, 2, 2, 'the input');
      const { dtype } = attrs(node, ctx);
      return one(dtype ? dtypeFromOnnx(dtype) : x?.dtype, x?.shape ?? null);
    }),
    evaluate: (node, inputs) => {
      const { k } = attrsOf(node);
      return [fromIndex(need(inputs, 0).shape, ([i, j]) => (j! - i! === k ? 1 : 0))];
    },
  }),
);
