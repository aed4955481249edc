import { attrsOf } from './attrs.js';
import { unaryWith } from './families/unary.js';
import { geluErf, geluTanh } from './gelu-forms.js';
import { withGradient } from './gradients/attach.js';
import { geluVjp } from './gradients/gelu.js';

/** Gelu: x Phi(x), or with approximate="tanh" the tanh form. */
export const gelu = withGradient(
  unaryWith('Gelu', 20, (node) => (attrsOf(node).approximate === 'tanh' ? geluTanh : geluErf)),
  geluVjp,
);
