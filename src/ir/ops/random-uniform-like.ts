import { randomLikeOp } from './families/random.js';
import { withoutGradient } from './gradients/attach.js';

/** RandomUniformLike. Shapes only: the values are random. */
export const randomUniformLike = withoutGradient(randomLikeOp('RandomUniformLike'));
