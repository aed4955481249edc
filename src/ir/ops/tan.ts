import { op } from './define.js';
import { unary } from './families/unary.js';
import { tanVjp } from './gradients/trigonometric.js';

/** Tan: tan x. */
export const Tan = op(unary('Tan', Math.tan, { since: 7 }), { vjp: tanVjp });
