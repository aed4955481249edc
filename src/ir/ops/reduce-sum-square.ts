import { reduction } from './families/reduce.js';
import { withGradient } from './gradients/attach.js';
import { reduceSumSquareVjp } from './gradients/reduce.js';

/** ReduceSumSquare: the sum of squares along the axes. */
export const reduceSumSquare = withGradient(
  reduction('ReduceSumSquare', (v) => v.reduce((a, x) => a + x * x, 0)),
  reduceSumSquareVjp,
);
