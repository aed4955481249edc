import { op } from './define.js';
import { randomLikeOp } from './families/random.js';

/** RandomNormalLike. Shapes only: the values are random. */
export const RandomNormalLike = op(randomLikeOp('RandomNormalLike'), { stopsGradient: true });
