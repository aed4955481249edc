import { binary } from './families/binary.js';

/** BitwiseAnd: bitwise and. */
export const BitwiseAnd = binary('BitwiseAnd', (a, b) => Number(BigInt(a) & BigInt(b)), {
  since: 18,
  commutative: true,
});
