import { reduction } from './families/reduce.js';

/** ReduceL2: root of the sum of squares along the axes. */
export const reduceL2 = reduction('ReduceL2', (v) => Math.sqrt(v.reduce((a, x) => a + x * x, 0)));
