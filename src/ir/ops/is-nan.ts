import { op } from './define.js';
import { unary } from './families/unary.js';

/** IsNaN: whether x is not a number. */
export const IsNaN = op(
  unary('IsNaN', (x) => (Number.isNaN(x) ? 1 : 0), { since: 9, dtype: 'bool' }),
  { stopsGradient: true },
);
