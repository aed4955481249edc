import { reduction } from './families/reduce.js';

/** ReduceL1: sum of absolute values along the axes. */
export const reduceL1 = reduction('ReduceL1', (v) => v.reduce((a, x) => a + Math.abs(x), 0));
