import { op } from './define.js';
import { unary } from './families/unary.js';
import { sigmoidVjp } from './gradients/elementwise.js';

/** Sigmoid: 1 / (1 + e^-x). */
export const Sigmoid = op(
  unary('Sigmoid', (x) => 1 / (1 + Math.exp(-x))),
  { vjp: sigmoidVjp },
);
