import { argOp } from './families/arg.js';

/** ArgMin: index of the least element along an axis. */
export const argMin = argOp('ArgMin', (a, b) => a < b);
