import { op } from './define.js';
import { binary } from './families/binary.js';
import { compared } from './ints.js';

/** Less: a < b. */
export const Less = op(
  binary('Less', (a, b) => (a < b ? 1 : 0), {
    dtype: 'bool',
    ints: compared((sign) => sign < 0),
  }),
  { stopsGradient: true },
);
