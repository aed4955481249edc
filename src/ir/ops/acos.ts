import { op } from './define.js';
import { unary } from './families/unary.js';
import { acosVjp } from './gradients/trigonometric.js';

/** Acos: arccos x. */
export const Acos = op(unary('Acos', Math.acos, { since: 7 }), { vjp: acosVjp });
