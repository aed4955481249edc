import { mulDim } from './dims.js';
import { binary } from './families/binary.js';

/** Mul: a b. */
export const mul = binary('Mul', (a, b) => a * b, { commutative: true, linear: true, ints: mulDim });
