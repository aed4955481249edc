import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { coshVjp } from './gradients/trigonometric.js';

/** Cosh: cosh x. */
export const cosh = withGradient(unary('Cosh', Math.cosh, { since: 9 }), coshVjp);
