import { unary } from './families/unary.js';

/** Cosh: cosh x. */
export const cosh = unary('Cosh', Math.cosh, { since: 9 });
