import { unary } from './families/unary.js';

/** Asinh: arsinh x. */
export const asinh = unary('Asinh', Math.asinh, { since: 9 });
