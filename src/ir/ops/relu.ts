import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { reluVjp } from './gradients/elementwise.js';

/** Relu: max(0, x). */
export const relu = withGradient(
  unary('Relu', (x) => Math.max(0, x)),
  reluVjp,
);
