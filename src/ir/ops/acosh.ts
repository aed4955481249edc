import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { acoshVjp } from './gradients/trigonometric.js';

/** Acosh: arcosh x. */
export const acosh = withGradient(unary('Acosh', Math.acosh, { since: 9 }), acoshVjp);
