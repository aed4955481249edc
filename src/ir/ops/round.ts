import { unary } from './families/unary.js';
import { withoutGradient } from './gradients/attach.js';
import { roundEven } from './nd.js';

/** Round: the nearest integer, ties to even. */
export const round = withoutGradient(unary('Round', roundEven, { since: 11 }));
