import { unary } from './families/unary.js';
import { withoutGradient } from './gradients/attach.js';

/** Floor: the greatest integer <= x. */
export const floor = withoutGradient(unary('Floor', Math.floor));
