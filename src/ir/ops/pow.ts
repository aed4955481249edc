import { binary } from './families/binary.js';

/** Pow: a to the b; the result has the type of a. */
export const pow = binary('Pow', (a, b) => a ** b, { mixed: true });
