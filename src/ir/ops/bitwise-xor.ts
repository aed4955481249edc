import { binary } from './families/binary.js';

/** BitwiseXor: bitwise exclusive or. */
export const BitwiseXor = binary('BitwiseXor', (a, b) => Number(BigInt(a) ^ BigInt(b)), {
  since: 18,
  commutative: true,
});
