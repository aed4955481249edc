import { minDim } from './dims.js';
import { variadic } from './families/variadic.js';
import { withGradient } from './gradients/attach.js';
import { extremumVjp } from './gradients/elementwise.js';

/** Min: the least of the inputs, element by element with broadcasting. */
export const min = withGradient(
  variadic('Min', (...xs) => xs.reduce((a, b) => (a < b || Number.isNaN(a) ? a : b)), minDim),
  extremumVjp,
);
