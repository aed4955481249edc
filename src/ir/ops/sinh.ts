import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { sinhVjp } from './gradients/trigonometric.js';

/** Sinh: sinh x. */
export const sinh = withGradient(unary('Sinh', Math.sinh, { since: 9 }), sinhVjp);
