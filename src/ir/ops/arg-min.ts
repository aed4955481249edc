import { op } from './define.js';
import { argOp } from './families/arg.js';

/** ArgMin: index of the least element along an axis. */
export const ArgMin = op(
  argOp('ArgMin', (a, b) => a < b),
  { stopsGradient: true },
);
