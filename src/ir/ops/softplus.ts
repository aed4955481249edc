import { unary } from './families/unary.js';
import { softplusVjp } from './gradients/activations.js';
import { withGradient } from './gradients/attach.js';

/** Softplus: ln(1 + e^x). */
export const softplus = withGradient(
  unary('Softplus', (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  softplusVjp,
);
