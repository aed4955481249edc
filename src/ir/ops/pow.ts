import { binary } from './families/binary.js';
import { withGradient } from './gradients/attach.js';
import { powVjp } from './gradients/elementwise.js';

/** Pow: a to the b; the result has the type of a. */
export const pow = withGradient(
  binary('Pow', (a, b) => a ** b, { mixed: true }),
  powVjp,
);
