import { op } from './define.js';
import { minDim } from './dims.js';
import { variadic } from './families/variadic.js';
import { extremumVjp } from './gradients/elementwise.js';

/** Min: the least of the inputs, element by element with broadcasting. */
export const Min = op(
  variadic('Min', (...xs) => xs.reduce((a, b) => (a < b || Number.isNaN(a) ? a : b)), minDim),
  { vjp: extremumVjp },
);
