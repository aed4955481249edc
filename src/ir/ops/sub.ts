import { op } from './define.js';
import { subDim } from './dims.js';
import { binary } from './families/binary.js';
import { subVjp } from './gradients/elementwise.js';

/** Sub: a - b. */
export const Sub = op(
  binary('Sub', (a, b) => a - b, { linear: true, ints: subDim }),
  { vjp: subVjp },
);
