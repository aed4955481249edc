import { randomOp } from './families/random.js';

/** RandomUniform. Shapes only: the values are random. */
export const RandomUniform = randomOp('RandomUniform');
