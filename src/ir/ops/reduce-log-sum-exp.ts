import { reduction } from './families/reduce.js';

/** ReduceLogSumExp: logarithm of the sum of exponentials along the axes. */
export const reduceLogSumExp = reduction('ReduceLogSumExp', (v) =>
  Math.log(v.reduce((a, x) => a + Math.exp(x), 0)),
);
