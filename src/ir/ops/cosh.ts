import { op } from './define.js';
import { unary } from './families/unary.js';
import { coshVjp } from './gradients/trigonometric.js';

/** Cosh: cosh x. */
export const Cosh = op(unary('Cosh', Math.cosh, { since: 9 }), { vjp: coshVjp });
