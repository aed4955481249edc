import { unary } from './families/unary.js';
import { withoutGradient } from './gradients/attach.js';

/** Not: logical negation. */
export const not = withoutGradient(
  unary('Not', (x) => (x === 0 ? 1 : 0), {
    dtype: 'bool',
    ints: (values) => values.map((v) => (typeof v === 'number' ? (v === 0 ? 1 : 0) : null)),
  }),
);
