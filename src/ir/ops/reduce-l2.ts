import { reduction } from './families/reduce.js';
import { withGradient } from './gradients/attach.js';
import { reduceL2Vjp } from './gradients/reduce.js';

/** ReduceL2: root of the sum of squares along the axes. */
export const reduceL2 = withGradient(
  reduction('ReduceL2', (v) => Math.sqrt(v.reduce((a, x) => a + x * x, 0))),
  reduceL2Vjp,
);
