import { maxDim } from './dims.js';
import { variadic } from './families/variadic.js';

/** Max: the greatest of the inputs, element by element with broadcasting. */
export const max = variadic(
  'Max',
  (...xs) => xs.reduce((a, b) => (a > b || Number.isNaN(a) ? a : b)),
  maxDim,
);
