import { unary } from './families/unary.js';

/** Acos: arccos x. */
export const acos = unary('Acos', Math.acos, { since: 7 });
