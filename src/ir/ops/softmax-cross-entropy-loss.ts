import { attrsOf } from './attrs.js';
import { type NdArray, op } from './define.js';
import { classLoss, logProbabilities } from './families/class-loss.js';
import { softmaxCrossEntropyVjp } from './gradients/class-loss.js';
import { attrs, need, rule, tensorAt, typeOf } from './rules.js';

/** SoftmaxCrossEntropyLoss: scores [N, C, d...], labels [N, d...], weights [C] -> loss, log-probabilities. */
export const SoftmaxCrossEntropyLoss = op({
  name: 'SoftmaxCrossEntropyLoss',
  since: 12,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const scores = tensorAt(ctx, 0);
    const none = attrs(node, ctx).reduction === 'none';
    const loss = typeOf(scores?.dtype, none ? (tensorAt(ctx, 1)?.shape ?? null) : []);
    return { types: [loss, typeOf(scores?.dtype, scores?.shape ?? null)] };
  }),
  value: (node, inputs): NdArray[] => {
    const logp = logProbabilities(need(inputs, 0));
    return [classLoss(logp, need(inputs, 1), inputs[2] ?? null, attrsOf(node)), logp];
  },
  vjp: softmaxCrossEntropyVjp,
});
