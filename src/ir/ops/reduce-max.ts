import { op } from './define.js';
import { maxDim } from './dims.js';
import { reduction } from './families/reduce.js';
import { reduceExtremumVjp } from './gradients/reduce.js';

/** ReduceMax: the greatest along the axes. */
export const ReduceMax = op(
  reduction('ReduceMax', (v) => v.reduce((a, x) => Math.max(a, x), Number.NEGATIVE_INFINITY), {
    ints: (v) => (v.length === 0 ? null : v.reduce(maxDim)),
  }),
  { vjp: reduceExtremumVjp },
);
