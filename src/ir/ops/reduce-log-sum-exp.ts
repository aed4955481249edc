import { op } from './define.js';
import { reduction } from './families/reduce.js';
import { reduceLogSumExpVjp } from './gradients/reduce.js';

/** ReduceLogSumExp: logarithm of the sum of exponentials along the axes. */
export const ReduceLogSumExp = op(
  reduction('ReduceLogSumExp', (v) => Math.log(v.reduce((a, x) => a + Math.exp(x), 0))),
  { vjp: reduceLogSumExpVjp },
);
