import { minDim } from './dims.js';
import { variadic } from './families/variadic.js';

/** Min: the least of the inputs, element by element with broadcasting. */
export const min = variadic(
  'Min',
  (...xs) => xs.reduce((a, b) => (a < b || Number.isNaN(a) ? a : b)),
  minDim,
);
