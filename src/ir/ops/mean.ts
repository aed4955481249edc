import { op } from './define.js';
import { variadic } from './families/variadic.js';
import { meanVjp } from './gradients/placement.js';

/** Mean: the mean of the inputs, element by element with broadcasting. */
export const Mean = op(
  variadic('Mean', (...xs) => xs.reduce((a, b) => a + b) / xs.length),
  { vjp: meanVjp },
);
