import { op } from './define.js';
import { unary } from './families/unary.js';
import { acoshVjp } from './gradients/trigonometric.js';

/** Acosh: arcosh x. */
export const Acosh = op(unary('Acosh', Math.acosh, { since: 9 }), { vjp: acoshVjp });
