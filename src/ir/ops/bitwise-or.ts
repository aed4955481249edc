import { binary } from './families/binary.js';

/** BitwiseOr: bitwise or. */
export const BitwiseOr = binary('BitwiseOr', (a, b) => Number(BigInt(a) | BigInt(b)), {
  since: 18,
  commutative: true,
});
