import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { atanVjp } from './gradients/trigonometric.js';

/** Atan: arctan x. */
export const atan = withGradient(unary('Atan', Math.atan, { since: 7 }), atanVjp);
