import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { unaryWith } from './families/unary.js';
import { eluVjp } from './gradients/activations.js';

/** Elu: x, or alpha (e^x - 1) below 0. */
export const Elu = op(
  unaryWith('Elu', 1, (node) => {
    const { alpha } = attrsOf(node);
    return (x) => (x < 0 ? alpha * Math.expm1(x) : x);
  }),
  { vjp: eluVjp },
);
