import { op } from './define.js';
import { binary } from './families/binary.js';
import { compared } from './ints.js';

/** Equal: a = b. */
export const Equal = op(
  binary('Equal', (a, b) => (a === b ? 1 : 0), {
    commutative: true,
    dtype: 'bool',
    ints: compared((sign) => sign === 0),
  }),
  { stopsGradient: true },
);
