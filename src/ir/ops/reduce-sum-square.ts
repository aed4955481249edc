import { reduction } from './families/reduce.js';

/** ReduceSumSquare: the sum of squares along the axes. */
export const reduceSumSquare = reduction('ReduceSumSquare', (v) => v.reduce((a, x) => a + x * x, 0));
