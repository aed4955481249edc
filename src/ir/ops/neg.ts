import { subDim } from './dims.js';
import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { negVjp } from './gradients/elementwise.js';

/** Neg: -x. */
export const neg = withGradient(
  unary('Neg', (x) => -x, {
    linear: true,
    ints: (values) => values.map((v) => subDim(0, v)),
  }),
  negVjp,
);
