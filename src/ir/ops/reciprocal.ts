import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { reciprocalVjp } from './gradients/elementwise.js';

/** Reciprocal: 1/x. */
export const reciprocal = withGradient(
  unary('Reciprocal', (x) => 1 / x),
  reciprocalVjp,
);
