import { variadic } from './families/variadic.js';

/** Mean: the mean of the inputs, element by element with broadcasting. */
export const mean = variadic('Mean', (...xs) => xs.reduce((a, b) => a + b) / xs.length);
