import { unary } from './families/unary.js';

/** Asin: arcsin x. */
export const asin = unary('Asin', Math.asin, { since: 7 });
