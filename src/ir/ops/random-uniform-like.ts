import { randomLikeOp } from './families/random.js';

/** RandomUniformLike. Shapes only: the values are random. */
export const randomUniformLike = randomLikeOp('RandomUniformLike');
