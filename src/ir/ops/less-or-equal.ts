import { op } from './define.js';
import { binary } from './families/binary.js';
import { compared } from './ints.js';

/** LessOrEqual: a <= b. */
export const LessOrEqual = op(
  binary('LessOrEqual', (a, b) => (a <= b ? 1 : 0), {
    since: 12,
    dtype: 'bool',
    ints: compared((sign) => sign <= 0),
  }),
  { stopsGradient: true },
);
