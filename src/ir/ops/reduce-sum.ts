import { op } from './define.js';
import { addDim } from './dims.js';
import { reduction } from './families/reduce.js';
import { reduceSumVjp } from './gradients/reduce.js';

/** ReduceSum: the sum along the axes. */
export const ReduceSum = op(
  reduction('ReduceSum', (v) => v.reduce((a, x) => a + x, 0), {
    axesInputSince: 13,
    ints: (v) => v.reduce(addDim, 0),
  }),
  { vjp: reduceSumVjp },
);
