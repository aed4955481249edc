import { unary } from './families/unary.js';
import { withGradient } from './gradients/attach.js';
import { absVjp } from './gradients/elementwise.js';

/** Abs: |x|. */
export const abs = withGradient(unary('Abs', Math.abs), absVjp);
