import { op } from './define.js';
import { randomLikeOp } from './families/random.js';

/** RandomUniformLike. Shapes only: the values are random. */
export const RandomUniformLike = op(randomLikeOp('RandomUniformLike'), { stopsGradient: true });
