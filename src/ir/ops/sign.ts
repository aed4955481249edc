import { unary } from './families/unary.js';
import { withoutGradient } from './gradients/attach.js';

/** Sign: -1, 0 or 1. */
export const sign = withoutGradient(unary('Sign', Math.sign, { since: 9 }));
