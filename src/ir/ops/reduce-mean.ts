import { reduction } from './families/reduce.js';

/** ReduceMean: the mean along the axes. */
export const reduceMean = reduction('ReduceMean', (v) => v.reduce((a, x) => a + x, 0) / v.length);
