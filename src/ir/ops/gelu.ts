import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { unaryWith } from './families/unary.js';
import { geluErf, geluTanh } from './gelu-forms.js';
import { geluVjp } from './gradients/gelu.js';

/** Gelu: x Phi(x), or with approximate="tanh" the tanh form. */
export const Gelu = op(
  unaryWith('Gelu', 20, (node) => (attrsOf(node).approximate === 'tanh' ? geluTanh : geluErf)),
  { vjp: geluVjp },
);
