import { randomLikeOp } from './families/random.js';

/** Bernoulli: 1 with the probability that the input states. Shapes only: the values are random. */
export const Bernoulli = randomLikeOp('Bernoulli', 15);
