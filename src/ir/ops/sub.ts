import { subDim } from './dims.js';
import { binary } from './families/binary.js';

/** Sub: a - b. */
export const sub = binary('Sub', (a, b) => a - b, { linear: true, ints: subDim });
