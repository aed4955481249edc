import { argOp } from './families/arg.js';
import { withoutGradient } from './gradients/attach.js';

/** ArgMin: index of the least element along an axis. */
export const argMin = withoutGradient(argOp('ArgMin', (a, b) => a < b));
