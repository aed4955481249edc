import { op } from './define.js';
import { unary } from './families/unary.js';
import { reciprocalVjp } from './gradients/elementwise.js';

/** Reciprocal: 1/x. */
export const Reciprocal = op(
  unary('Reciprocal', (x) => 1 / x),
  { vjp: reciprocalVjp },
);
