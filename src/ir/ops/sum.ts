import { op } from './define.js';
import { addDim } from './dims.js';
import { variadic } from './families/variadic.js';
import { sumVjp } from './gradients/placement.js';

/** Sum: the sum of the inputs, element by element with broadcasting. */
export const Sum = op(
  variadic('Sum', (...xs) => xs.reduce((a, b) => a + b), addDim),
  { vjp: sumVjp },
);
