import { op } from './define.js';
import { maxDim } from './dims.js';
import { variadic } from './families/variadic.js';
import { extremumVjp } from './gradients/elementwise.js';

/** Max: the greatest of the inputs, element by element with broadcasting. */
export const Max = op(
  variadic('Max', (...xs) => xs.reduce((a, b) => (a > b || Number.isNaN(a) ? a : b)), maxDim),
  { vjp: extremumVjp },
);
