import { op } from './define.js';
import { binary } from './families/binary.js';
import { compared } from './ints.js';

/** Greater: a > b. */
export const Greater = op(
  binary('Greater', (a, b) => (a > b ? 1 : 0), {
    dtype: 'bool',
    ints: compared((sign) => sign > 0),
  }),
  { stopsGradient: true },
);
