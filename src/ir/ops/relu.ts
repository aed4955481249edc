import { op } from './define.js';
import { unary } from './families/unary.js';
import { reluVjp } from './gradients/elementwise.js';

/** Relu: max(0, x). */
export const Relu = op(
  unary('Relu', (x) => Math.max(0, x)),
  { vjp: reluVjp },
);
