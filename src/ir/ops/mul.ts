import { op } from './define.js';
import { mulDim } from './dims.js';
import { binary } from './families/binary.js';
import { mulVjp } from './gradients/elementwise.js';

/** Mul: a b. */
export const Mul = op(
  binary('Mul', (a, b) => a * b, { commutative: true, linear: true, ints: mulDim }),
  { vjp: mulVjp },
);
