import { op } from './define.js';
import { unary } from './families/unary.js';
import { roundEven } from './nd.js';

/** Round: the nearest integer, ties to even. */
export const Round = op(unary('Round', roundEven, { since: 11 }), { stopsGradient: true });
