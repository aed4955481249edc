import { unary } from './families/unary.js';

/** Reciprocal: 1/x. */
export const reciprocal = unary('Reciprocal', (x) => 1 / x);
