import { unary } from './families/unary.js';

/** Tanh: tanh x. */
export const tanh = unary('Tanh', Math.tanh);
