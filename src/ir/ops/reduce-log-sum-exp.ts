import { reduction } from './families/reduce.js';
import { withGradient } from './gradients/attach.js';
import { reduceLogSumExpVjp } from './gradients/reduce.js';

/** ReduceLogSumExp: logarithm of the sum of exponentials along the axes. */
export const reduceLogSumExp = withGradient(
  reduction('ReduceLogSumExp', (v) => Math.log(v.reduce((a, x) => a + Math.exp(x), 0))),
  reduceLogSumExpVjp,
);
