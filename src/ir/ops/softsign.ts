import { unary } from './families/unary.js';

/** Softsign: x / (1 + |x|). */
export const softsign = unary('Softsign', (x) => x / (1 + Math.abs(x)));
