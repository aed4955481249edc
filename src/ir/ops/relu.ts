import { unary } from './families/unary.js';

/** Relu: max(0, x). */
export const relu = unary('Relu', (x) => Math.max(0, x));
