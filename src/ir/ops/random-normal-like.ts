import { randomLikeOp } from './families/random.js';

/** RandomNormalLike. Shapes only: the values are random. */
export const randomNormalLike = randomLikeOp('RandomNormalLike');
