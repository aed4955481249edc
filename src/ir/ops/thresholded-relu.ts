import { attrsOf } from './attrs.js';
import { unaryWith } from './families/unary.js';
import { thresholdedReluVjp } from './gradients/activations.js';
import { withGradient } from './gradients/attach.js';

/** ThresholdedRelu: x above alpha, else 0. */
export const thresholdedRelu = withGradient(
  unaryWith('ThresholdedRelu', 10, (node) => {
    const { alpha } = attrsOf(node);
    return (x) => (x > alpha ? x : 0);
  }),
  thresholdedReluVjp,
);
