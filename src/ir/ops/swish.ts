import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { unaryWith } from './families/unary.js';
import { swishVjp } from './gradients/gelu.js';

/** Swish: x / (1 + e^(-alpha x)). */
export const Swish = op(
  unaryWith('Swish', 24, (node) => {
    const { alpha } = attrsOf(node);
    return (x) => x / (1 + Math.exp(-alpha * x));
  }),
  { vjp: swishVjp },
);
