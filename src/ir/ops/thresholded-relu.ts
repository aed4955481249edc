import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { unaryWith } from './families/unary.js';
import { thresholdedReluVjp } from './gradients/activations.js';

/** ThresholdedRelu: x above alpha, else 0. */
export const ThresholdedRelu = op(
  unaryWith('ThresholdedRelu', 10, (node) => {
    const { alpha } = attrsOf(node);
    return (x) => (x > alpha ? x : 0);
  }),
  { vjp: thresholdedReluVjp },
);
