import { attrsOf } from './attrs.js';
import { unaryWith } from './families/unary.js';

/** ThresholdedRelu: x above alpha, else 0. */
export const thresholdedRelu = unaryWith('ThresholdedRelu', 10, (node) => {
  const { alpha } = attrsOf(node);
  return (x) => (x > alpha ? x : 0);
});
