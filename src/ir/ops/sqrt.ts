import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { sqrtVjp } from './gradients/elementwise.js';

/** Sqrt: the square root. */
export const sqrt = withGradient(unary('Sqrt', Math.sqrt), sqrtVjp);
