import { addDim } from './dims.js';
import { binary } from './families/binary.js';

/** Add: a + b. */
export const add = binary('Add', (a, b) => a + b, { commutative: true, linear: true, ints: addDim });
