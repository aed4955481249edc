import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { expVjp } from './gradients/elementwise.js';

/** Exp: e to the x. */
export const exp = withGradient(unary('Exp', Math.exp), expVjp);
