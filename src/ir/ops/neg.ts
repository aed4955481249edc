import { subDim } from './dims.js';
import { unary } from './families/unary.js';

/** Neg: -x. */
export const neg = unary('Neg', (x) => -x, {
  linear: true,
  ints: (values) => values.map((v) => subDim(0, v)),
});
