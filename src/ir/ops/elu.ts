import { attrsOf } from './attrs.js';
import { unaryWith } from './families/unary.js';

/** Elu: x, or alpha (e^x - 1) below 0. */
export const elu = unaryWith('Elu', 1, (node) => {
  const { alpha } = attrsOf(node);
  return (x) => (x < 0 ? alpha * Math.expm1(x) : x);
});
