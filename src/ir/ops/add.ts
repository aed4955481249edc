import { addDim } from './dims.js';
import { binary } from './families/binary.js';
import { withGradient } from './gradients/attach.js';
import { addVjp } from './gradients/elementwise.js';

/** Add: a + b. */
export const add = withGradient(
  binary('Add', (a, b) => a + b, { commutative: true, linear: true, ints: addDim }),
  addVjp,
);
