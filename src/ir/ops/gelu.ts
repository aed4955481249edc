import { attrsOf } from './attrs.js';
import { unaryWith } from './families/unary.js';
import { geluErf, geluTanh } from './gelu-forms.js';

/** Gelu: x Phi(x), or with approximate="tanh" the tanh form. */
export const gelu = unaryWith('Gelu', 20, (node) =>
  attrsOf(node).approximate === 'tanh' ? geluTanh : geluErf,
);
