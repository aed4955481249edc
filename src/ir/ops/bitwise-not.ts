import { unary } from './families/unary.js';

/** BitwiseNot: all bits inverted (two's complement; unsigned types wrap in their own width). */
export const bitwiseNot = unary('BitwiseNot', (x) => ~x, { since: 18 });
