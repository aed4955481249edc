import { unary } from './families/unary.js';

/** Exp: e to the x. */
export const exp = unary('Exp', Math.exp);
