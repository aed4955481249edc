import { argOp } from './families/arg.js';

/** ArgMax: index of the greatest element along an axis. */
export const argMax = argOp('ArgMax', (a, b) => a > b);
