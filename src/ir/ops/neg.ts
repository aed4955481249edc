import { op } from './define.js';
import { subDim } from './dims.js';
import { unary } from './families/unary.js';
import { negVjp } from './gradients/elementwise.js';

/** Neg: -x. */
export const Neg = op(
  unary('Neg', (x) => -x, {
    linear: true,
    ints: (values) => values.map((v) => subDim(0, v)),
  }),
  { vjp: negVjp },
);
