import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { cosVjp } from './gradients/elementwise.js';

/** Cos: cos x. */
export const cos = withGradient(unary('Cos', Math.cos, { since: 7 }), cosVjp);
