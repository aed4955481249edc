import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { unaryWith } from './families/unary.js';
import { seluVjp } from './gradients/activations.js';

/** Selu: gamma x, or gamma alpha (e^x - 1) below 0. */
export const Selu = op(
  unaryWith('Selu', 1, (node) => {
    const { alpha, gamma } = attrsOf(node);
    return (x) => gamma * (x > 0 ? x : alpha * Math.expm1(x));
  }),
  { vjp: seluVjp },
);
