import { unary } from './families/unary.js';
import { mishVjp } from './gradients/activations.js';
import { withGradient } from './gradients/attach.js';

/** Mish: x tanh(ln(1 + e^x)). */
export const mish = withGradient(
  unary('Mish', (x) => x * Math.tanh(Math.log1p(Math.exp(x))), { since: 18 }),
  mishVjp,
);
