import { op } from './define.js';
import { unary } from './families/unary.js';

/** Sign: -1, 0 or 1. */
export const Sign = op(unary('Sign', Math.sign, { since: 9 }), { stopsGradient: true });
