import { unary } from './families/unary.js';

/** Cos: cos x. */
export const cos = unary('Cos', Math.cos, { since: 7 });
