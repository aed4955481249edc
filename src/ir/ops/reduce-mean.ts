import { reduction } from './families/reduce.js';
import { withGradient } from './gradients/attach.js';
import { reduceMeanVjp } from './gradients/reduce.js';

/** ReduceMean: the mean along the axes. */
export const reduceMean = withGradient(
  reduction('ReduceMean', (v) => v.reduce((a, x) => a + x, 0) / v.length),
  reduceMeanVjp,
);
