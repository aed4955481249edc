import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { tanVjp } from './gradients/trigonometric.js';

/** Tan: tan x. */
export const tan = withGradient(unary('Tan', Math.tan, { since: 7 }), tanVjp);
