import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { unaryWith } from './families/unary.js';
import { leakyReluVjp } from './gradients/activations.js';

/** LeakyRelu: x, or alpha x below 0. */
export const LeakyRelu = op(
  unaryWith('LeakyRelu', 1, (node) => {
    const { alpha } = attrsOf(node);
    return (x) => (x < 0 ? alpha * x : x);
  }),
  { vjp: leakyReluVjp },
);
