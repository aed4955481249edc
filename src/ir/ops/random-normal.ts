import { randomOp } from './families/random.js';

/** RandomNormal. Shapes only: the values are random. */
export const RandomNormal = randomOp('RandomNormal');
