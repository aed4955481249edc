import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { asinhVjp } from './gradients/trigonometric.js';

/** Asinh: arsinh x. */
export const asinh = withGradient(unary('Asinh', Math.asinh, { since: 9 }), asinhVjp);
