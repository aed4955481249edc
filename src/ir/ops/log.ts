import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { logVjp } from './gradients/elementwise.js';

/** Log: the natural logarithm. */
export const log = withGradient(unary('Log', Math.log), logVjp);
