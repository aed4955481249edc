import { unary } from './families/unary.js';

/** Sqrt: the square root. */
export const sqrt = unary('Sqrt', Math.sqrt);
