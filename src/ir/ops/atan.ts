import { unary } from './families/unary.js';

/** Atan: arctan x. */
export const atan = unary('Atan', Math.atan, { since: 7 });
