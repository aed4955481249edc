import { op } from './define.js';
import { unary } from './families/unary.js';

/** Ceil: the least integer >= x. */
export const Ceil = op(unary('Ceil', Math.ceil), { stopsGradient: true });
