import { unary } from './families/unary.js';

/** Floor: the greatest integer <= x. */
export const floor = unary('Floor', Math.floor);
