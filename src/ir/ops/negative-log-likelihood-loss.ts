import { attrsOf } from './attrs.js';
import { type NdArray, op } from './define.js';
import { classLoss } from './families/class-loss.js';
import { negativeLogLikelihoodVjp } from './gradients/class-loss.js';
import { attrs, need, one, rule, tensorAt } from './rules.js';

/** NegativeLogLikelihoodLoss: log-probabilities [N, C, d...], labels [N, d...], weights [C] -> loss. */
export const NegativeLogLikelihoodLoss = op({
  name: 'NegativeLogLikelihoodLoss',
  since: 12,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const none = attrs(node, ctx).reduction === 'none';
    return one(tensorAt(ctx, 0)?.dtype, none ? (tensorAt(ctx, 1)?.shape ?? null) : []);
  }),
  value: (node, inputs): NdArray[] => [
    classLoss(need(inputs, 0), need(inputs, 1), inputs[2] ?? null, attrsOf(node)),
  ],
  vjp: negativeLogLikelihoodVjp,
});
