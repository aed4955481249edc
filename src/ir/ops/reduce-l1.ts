import { reduction } from './families/reduce.js';
import { withGradient } from './gradients/attach.js';
import { reduceL1Vjp } from './gradients/reduce.js';

/** ReduceL1: sum of absolute values along the axes. */
export const reduceL1 = withGradient(
  reduction('ReduceL1', (v) => v.reduce((a, x) => a + Math.abs(x), 0)),
  reduceL1Vjp,
);
