import { op } from './define.js';
import { reduction } from './families/reduce.js';
import { reduceMeanVjp } from './gradients/reduce.js';

/** ReduceMean: the mean along the axes. */
export const ReduceMean = op(
  reduction('ReduceMean', (v) => v.reduce((a, x) => a + x, 0) / v.length),
  { vjp: reduceMeanVjp },
);
