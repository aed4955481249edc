import { unary } from './families/unary.js';

/** Atanh: artanh x. */
export const atanh = unary('Atanh', Math.atanh, { since: 9 });
