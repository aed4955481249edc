import { op } from './define.js';
import { unary } from './families/unary.js';
import { atanVjp } from './gradients/trigonometric.js';

/** Atan: arctan x. */
export const Atan = op(unary('Atan', Math.atan, { since: 7 }), { vjp: atanVjp });
