import { randomLikeOp } from './families/random.js';
import { withoutGradient } from './gradients/attach.js';

/** RandomNormalLike. Shapes only: the values are random. */
export const randomNormalLike = withoutGradient(randomLikeOp('RandomNormalLike'));
