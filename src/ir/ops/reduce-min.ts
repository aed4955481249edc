import { minDim } from './dims.js';
import { reduction } from './families/reduce.js';

/** ReduceMin: the least along the axes. */
export const reduceMin = reduction(
  'ReduceMin',
  (v) => v.reduce((a, x) => Math.min(a, x), Number.POSITIVE_INFINITY),
  { ints: (v) => (v.length === 0 ? null : v.reduce(minDim)) },
);
