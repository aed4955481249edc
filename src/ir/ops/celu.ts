import { attrsOf } from './attrs.js';
import { unaryWith } from './families/unary.js';

/** Celu: max(0, x) + min(0, alpha (e^(x/alpha) - 1)). */
export const celu = unaryWith('Celu', 12, (node) => {
  const { alpha } = attrsOf(node);
  return (x) => Math.max(0, x) + Math.min(0, alpha * Math.expm1(x / alpha));
});
