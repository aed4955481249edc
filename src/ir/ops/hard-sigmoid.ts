import { attrsOf } from './attrs.js';
import { unaryWith } from './families/unary.js';
import { hardSigmoidVjp } from './gradients/activations.js';
import { withGradient } from './gradients/attach.js';

/** HardSigmoid: max(0, min(1, alpha x + beta)). */
export const hardSigmoid = withGradient(
  unaryWith('HardSigmoid', 1, (node) => {
    const { alpha, beta } = attrsOf(node);
    return (x) => Math.max(0, Math.min(1, alpha * x + beta));
  }),
  hardSigmoidVjp,
);
