import { unary } from './families/unary.js';
import { withoutGradient } from './gradients/attach.js';

/** Ceil: the least integer >= x. */
export const ceil = withoutGradient(unary('Ceil', Math.ceil));
