import { op } from './define.js';
import { addDim } from './dims.js';
import { binary } from './families/binary.js';
import { addVjp } from './gradients/elementwise.js';

/** Add: a + b. */
export const Add = op(
  binary('Add', (a, b) => a + b, { commutative: true, linear: true, ints: addDim }),
  { vjp: addVjp },
);
