import { unary } from './families/unary.js';

/** Sign: -1, 0 or 1. */
export const sign = unary('Sign', Math.sign, { since: 9 });
