import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { sinVjp } from './gradients/elementwise.js';

/** Sin: sin x. */
export const sin = withGradient(unary('Sin', Math.sin, { since: 7 }), sinVjp);
