import { unary } from './families/unary.js';

/** Log: the natural logarithm. */
export const log = unary('Log', Math.log);
