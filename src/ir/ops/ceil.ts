import { unary } from './families/unary.js';

/** Ceil: the least integer >= x. */
export const ceil = unary('Ceil', Math.ceil);
