import { op } from './define.js';
import { reduction } from './families/reduce.js';
import { reduceL1Vjp } from './gradients/reduce.js';

/** ReduceL1: sum of absolute values along the axes. */
export const ReduceL1 = op(
  reduction('ReduceL1', (v) => v.reduce((a, x) => a + Math.abs(x), 0)),
  { vjp: reduceL1Vjp },
);
