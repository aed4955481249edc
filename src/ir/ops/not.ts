import { op } from './define.js';
import { unary } from './families/unary.js';

/** Not: logical negation. */
export const Not = op(
  unary('Not', (x) => (x === 0 ? 1 : 0), {
    dtype: 'bool',
    ints: (values) => values.map((v) => (typeof v === 'number' ? (v === 0 ? 1 : 0) : null)),
  }),
  { stopsGradient: true },
);
