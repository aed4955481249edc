import { reduction } from './families/reduce.js';
import { withGradient } from './gradients/attach.js';
import { reduceLogSumVjp } from './gradients/reduce.js';

/** ReduceLogSum: logarithm of the sum along the axes. */
export const reduceLogSum = withGradient(
  reduction('ReduceLogSum', (v) => Math.log(v.reduce((a, x) => a + x, 0))),
  reduceLogSumVjp,
);
