import { op } from './define.js';
import { unary } from './families/unary.js';
import { sinVjp } from './gradients/elementwise.js';

/** Sin: sin x. */
export const Sin = op(unary('Sin', Math.sin, { since: 7 }), { vjp: sinVjp });
