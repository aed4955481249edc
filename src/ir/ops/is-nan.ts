import { unary } from './families/unary.js';
import { withoutGradient } from './gradients/attach.js';

/** IsNaN: whether x is not a number. */
export const isNan = withoutGradient(
  unary('IsNaN', (x) => (Number.isNaN(x) ? 1 : 0), { since: 9, dtype: 'bool' }),
);
