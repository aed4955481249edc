import { op } from './define.js';
import { reduction } from './families/reduce.js';
import { reduceSumSquareVjp } from './gradients/reduce.js';

/** ReduceSumSquare: the sum of squares along the axes. */
export const ReduceSumSquare = op(
  reduction('ReduceSumSquare', (v) => v.reduce((a, x) => a + x * x, 0)),
  { vjp: reduceSumSquareVjp },
);
