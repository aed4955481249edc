import { op } from './define.js';
import { unary } from './families/unary.js';
import { absVjp } from './gradients/elementwise.js';

/** Abs: |x|. */
export const Abs = op(unary('Abs', Math.abs), { vjp: absVjp });
