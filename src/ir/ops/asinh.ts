import { op } from './define.js';
import { unary } from './families/unary.js';
import { asinhVjp } from './gradients/trigonometric.js';

/** Asinh: arsinh x. */
export const Asinh = op(unary('Asinh', Math.asinh, { since: 9 }), { vjp: asinhVjp });
