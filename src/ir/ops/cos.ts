import { op } from './define.js';
import { unary } from './families/unary.js';
import { cosVjp } from './gradients/elementwise.js';

/** Cos: cos x. */
export const Cos = op(unary('Cos', Math.cos, { since: 7 }), { vjp: cosVjp });
