import { op } from './define.js';
import { unary } from './families/unary.js';
import { sqrtVjp } from './gradients/elementwise.js';

/** Sqrt: the square root. */
export const Sqrt = op(unary('Sqrt', Math.sqrt), { vjp: sqrtVjp });
