import { addDim } from './dims.js';
import { variadic } from './families/variadic.js';

/** Sum: the sum of the inputs, element by element with broadcasting. */
export const sum = variadic('Sum', (...xs) => xs.reduce((a, b) => a + b), addDim);
