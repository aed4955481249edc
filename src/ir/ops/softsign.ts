import { unary } from './families/unary.js';
import { softsignVjp } from './gradients/activations.js';
import { withGradient } from './gradients/attach.js';

/** Softsign: x / (1 + |x|). */
export const softsign = withGradient(
  unary('Softsign', (x) => x / (1 + Math.abs(x))),
  softsignVjp,
);
