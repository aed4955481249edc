import { addDim } from './dims.js';
import { reduction } from './families/reduce.js';

/** ReduceSum: the sum along the axes. */
export const reduceSum = reduction('ReduceSum', (v) => v.reduce((a, x) => a + x, 0), {
  axesInputSince: 13,
  ints: (v) => v.reduce(addDim, 0),
});
