import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { asinVjp } from './gradients/trigonometric.js';

/** Asin: arcsin x. */
export const asin = withGradient(unary('Asin', Math.asin, { since: 7 }), asinVjp);
