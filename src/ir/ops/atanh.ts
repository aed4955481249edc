import { op } from './define.js';
import { unary } from './families/unary.js';
import { atanhVjp } from './gradients/trigonometric.js';

/** Atanh: artanh x. */
export const Atanh = op(unary('Atanh', Math.atanh, { since: 9 }), { vjp: atanhVjp });
