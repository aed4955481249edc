import { binary } from './families/binary.js';

/** PRelu: x, or slope x below 0; the slope broadcasts to x. */
export const prelu = binary('PRelu', (x, slope) => (x < 0 ? slope * x : x));
