import { op } from './define.js';
import { argOp } from './families/arg.js';

/** ArgMax: index of the greatest element along an axis. */
export const ArgMax = op(
  argOp('ArgMax', (a, b) => a > b),
  { stopsGradient: true },
);
