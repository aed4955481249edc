import { variadic } from './families/variadic.js';
import { withGradient } from './gradients/attach.js';
import { meanVjp } from './gradients/placement.js';

/** Mean: the mean of the inputs, element by element with broadcasting. */
export const mean = withGradient(
  variadic('Mean', (...xs) => xs.reduce((a, b) => a + b) / xs.length),
  meanVjp,
);
