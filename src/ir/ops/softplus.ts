import { op } from './define.js';
import { unary } from './families/unary.js';
import { softplusVjp } from './gradients/activations.js';

/** Softplus: ln(1 + e^x). */
export const Softplus = op(
  unary('Softplus', (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  { vjp: softplusVjp },
);
