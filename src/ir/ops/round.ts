import { unary } from './families/unary.js';
import { roundEven } from './nd.js';

/** Round: the nearest integer, ties to even. */
export const round = unary('Round', roundEven, { since: 11 });
