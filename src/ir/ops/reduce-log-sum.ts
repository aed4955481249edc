import { op } from './define.js';
import { reduction } from './families/reduce.js';
import { reduceLogSumVjp } from './gradients/reduce.js';

/** ReduceLogSum: logarithm of the sum along the axes. */
export const ReduceLogSum = op(
  reduction('ReduceLogSum', (v) => Math.log(v.reduce((a, x) => a + x, 0))),
  { vjp: reduceLogSumVjp },
);
