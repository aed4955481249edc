import { unary } from './families/unary.js';

/** Tan: tan x. */
export const tan = unary('Tan', Math.tan, { since: 7 });
