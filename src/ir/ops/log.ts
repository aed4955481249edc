import { op } from './define.js';
import { unary } from './families/unary.js';
import { logVjp } from './gradients/elementwise.js';

/** Log: the natural logarithm. */
export const Log = op(unary('Log', Math.log), { vjp: logVjp });
