import { op } from './define.js';
import { unary } from './families/unary.js';
import { tanhVjp } from './gradients/elementwise.js';

/** Tanh: tanh x. */
export const Tanh = op(unary('Tanh', Math.tanh), { vjp: tanhVjp });
