import { addDim } from './dims.js';
import { variadic } from './families/variadic.js';
import { withGradient } from './gradients/attach.js';
import { sumVjp } from './gradients/placement.js';

/** Sum: the sum of the inputs, element by element with broadcasting. */
export const sum = withGradient(
  variadic('Sum', (...xs) => xs.reduce((a, b) => a + b), addDim),
  sumVjp,
);
