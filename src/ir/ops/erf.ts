import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { erfVjp } from './gradients/elementwise.js';
import { erf as erfOf } from './nd.js';

/** Erf: 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x. */
export const erf = withGradient(unary('Erf', erfOf, { since: 9 }), erfVjp);
