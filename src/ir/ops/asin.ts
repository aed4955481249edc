import { op } from './define.js';
import { unary } from './families/unary.js';
import { asinVjp } from './gradients/trigonometric.js';

/** Asin: arcsin x. */
export const Asin = op(unary('Asin', Math.asin, { since: 7 }), { vjp: asinVjp });
