import { op } from './define.js';
import { unary } from './families/unary.js';
import { expVjp } from './gradients/elementwise.js';

/** Exp: e to the x. */
export const Exp = op(unary('Exp', Math.exp), { vjp: expVjp });
