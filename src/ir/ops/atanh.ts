import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { atanhVjp } from './gradients/trigonometric.js';

/** Atanh: artanh x. */
export const atanh = withGradient(unary('Atanh', Math.atanh, { since: 9 }), atanhVjp);
