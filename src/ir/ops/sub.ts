import { subDim } from './dims.js';
import { binary } from './families/binary.js';
import { withGradient } from './gradients/attach.js';
import { subVjp } from './gradients/elementwise.js';

/** Sub: a - b. */
export const sub = withGradient(
  binary('Sub', (a, b) => a - b, { linear: true, ints: subDim }),
  subVjp,
);
