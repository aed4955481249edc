import { op } from './define.js';
import { binary } from './families/binary.js';
import { powVjp } from './gradients/elementwise.js';

/** Pow: a to the b; the result has the type of a. */
export const Pow = op(
  binary('Pow', (a, b) => a ** b, { mixed: true }),
  { vjp: powVjp },
);
