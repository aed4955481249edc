import { argOp } from './families/arg.js';
import { withoutGradient } from './gradients/attach.js';

/** ArgMax: index of the greatest element along an axis. */
export const argMax = withoutGradient(argOp('ArgMax', (a, b) => a > b));
