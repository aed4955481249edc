import { op } from './define.js';
import { reduction } from './families/reduce.js';
import { reduceL2Vjp } from './gradients/reduce.js';

/** ReduceL2: root of the sum of squares along the axes. */
export const ReduceL2 = op(
  reduction('ReduceL2', (v) => Math.sqrt(v.reduce((a, x) => a + x * x, 0))),
  { vjp: reduceL2Vjp },
);
