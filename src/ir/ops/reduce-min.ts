import { op } from './define.js';
import { minDim } from './dims.js';
import { reduction } from './families/reduce.js';
import { reduceExtremumVjp } from './gradients/reduce.js';

/** ReduceMin: the least along the axes. */
export const ReduceMin = op(
  reduction('ReduceMin', (v) => v.reduce((a, x) => Math.min(a, x), Number.POSITIVE_INFINITY), {
    ints: (v) => (v.length === 0 ? null : v.reduce(minDim)),
  }),
  { vjp: reduceExtremumVjp },
);
