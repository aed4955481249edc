import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { acosVjp } from './gradients/trigonometric.js';

/** Acos: arccos x. */
export const acos = withGradient(unary('Acos', Math.acos, { since: 7 }), acosVjp);
