import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { sigmoidVjp } from './gradients/elementwise.js';

/** Sigmoid: 1 / (1 + e^-x). */
export const sigmoid = withGradient(
  unary('Sigmoid', (x) => 1 / (1 + Math.exp(-x))),
  sigmoidVjp,
);
