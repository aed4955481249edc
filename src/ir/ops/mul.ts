import { mulDim } from './dims.js';
import { binary } from './families/binary.js';
import { withGradient } from './gradients/attach.js';
import { mulVjp } from './gradients/elementwise.js';

/** Mul: a b. */
export const mul = withGradient(
  binary('Mul', (a, b) => a * b, { commutative: true, linear: true, ints: mulDim }),
  mulVjp,
);
