import { randomOp } from './families/random.js';

/** RandomNormal. Shapes only: the values are random. */
export const randomNormal = randomOp('RandomNormal');
