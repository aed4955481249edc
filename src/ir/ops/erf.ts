import { op } from './define.js';
import { unary } from './families/unary.js';
import { erfVjp } from './gradients/elementwise.js';
import { erf as erfOf } from './nd.js';

/** Erf: 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x. */
export const Erf = op(unary('Erf', erfOf, { since: 9 }), { vjp: erfVjp });
