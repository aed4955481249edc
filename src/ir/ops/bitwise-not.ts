import { unary } from './families/unary.js';

/** BitwiseNot: all bits inverted (two's complement; unsigned types wrap in their own width). */
export const BitwiseNot = unary('BitwiseNot', (x) => ~x, { since: 18 });
