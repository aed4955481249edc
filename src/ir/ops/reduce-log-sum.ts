import { reduction } from './families/reduce.js';

/** ReduceLogSum: logarithm of the sum along the axes. */
export const reduceLogSum = reduction('ReduceLogSum', (v) => Math.log(v.reduce((a, x) => a + x, 0)));
