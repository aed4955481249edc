import { attrsOf } from './attrs.js';
import { unaryWith } from './families/unary.js';
import { leakyReluVjp } from './gradients/activations.js';
import { withGradient } from './gradients/attach.js';

/** LeakyRelu: x, or alpha x below 0. */
export const leakyRelu = withGradient(
  unaryWith('LeakyRelu', 1, (node) => {
    const { alpha } = attrsOf(node);
    return (x) => (x < 0 ? alpha * x : x);
  }),
  leakyReluVjp,
);
