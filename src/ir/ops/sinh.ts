import { op } from './define.js';
import { unary } from './families/unary.js';
import { sinhVjp } from './gradients/trigonometric.js';

/** Sinh: sinh x. */
export const Sinh = op(unary('Sinh', Math.sinh, { since: 9 }), { vjp: sinhVjp });
