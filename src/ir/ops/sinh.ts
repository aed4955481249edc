import { unary } from './families/unary.js';

/** Sinh: sinh x. */
export const sinh = unary('Sinh', Math.sinh, { since: 9 });
