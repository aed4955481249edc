import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { unaryWith } from './families/unary.js';
import { celuVjp } from './gradients/activations.js';

/** Celu: max(0, x) + min(0, alpha (e^(x/alpha) - 1)). */
export const Celu = op(
  unaryWith('Celu', 12, (node) => {
    const { alpha } = attrsOf(node);
    return (x) => Math.max(0, x) + Math.min(0, alpha * Math.expm1(x / alpha));
  }),
  { vjp: celuVjp },
);
