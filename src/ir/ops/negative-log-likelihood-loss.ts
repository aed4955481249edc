import { attrsOf } from './attrs.js';
import { defineOp, type NdArray } from './define.js';
import { classLoss } from './families/class-loss.js';
import { withGradient } from './gradients/attach.js';
import { negativeLogLikelihoodVjp } from './gradients/class-loss.js';
import { attrs, need, one, rule, tensorAt } from './rules.js';

/** NegativeLogLikelihoodLoss: log-probabilities [N, C, d...], labels [N, d...], weights [C] -> loss. */
export const negativeLogLikelihoodLoss = withGradient(
  defineOp({
    name: 'NegativeLogLikelihoodLoss',
    since: 12,
    traits: ['pure'],
    infer: rule((node, ctx) => {
      const none = attrs(node, ctx).reduction === 'none';
      return one(tensorAt(ctx, 0)?.dtype, none ? (tensorAt(ctx, 1)?.shape ?? null) : []);
    }),
    evaluate: (node, inputs): NdArray[] => [
      classLoss(need(inputs, 0), need(inputs, 1), inputs[2] ?? null, attrsOf(node)),
    ],
  }),
  negativeLogLikelihoodVjp,
);
