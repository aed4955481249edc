import { unary } from './families/unary.js';

/** Abs: |x|. */
export const abs = unary('Abs', Math.abs);
