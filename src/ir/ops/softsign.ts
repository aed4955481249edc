import { op } from './define.js';
import { unary } from './families/unary.js';
import { softsignVjp } from './gradients/activations.js';

/** Softsign: x / (1 + |x|). */
export const Softsign = op(
  unary('Softsign', (x) => x / (1 + Math.abs(x))),
  { vjp: softsignVjp },
);
