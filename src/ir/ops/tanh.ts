import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { tanhVjp } from './gradients/elementwise.js';

/** Tanh: tanh x. */
export const tanh = withGradient(unary('Tanh', Math.tanh), tanhVjp);
