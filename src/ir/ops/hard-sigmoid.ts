import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { unaryWith } from './families/unary.js';
import { hardSigmoidVjp } from './gradients/activations.js';

/** HardSigmoid: max(0, min(1, alpha x + beta)). */
export const HardSigmoid = op(
  unaryWith('HardSigmoid', 1, (node) => {
    const { alpha, beta } = attrsOf(node);
    return (x) => Math.max(0, Math.min(1, alpha * x + beta));
  }),
  { vjp: hardSigmoidVjp },
);
