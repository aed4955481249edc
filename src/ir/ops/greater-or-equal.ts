import { op } from './define.js';
import { binary } from './families/binary.js';
import { compared } from './ints.js';

/** GreaterOrEqual: a >= b. */
export const GreaterOrEqual = op(
  binary('GreaterOrEqual', (a, b) => (a >= b ? 1 : 0), {
    since: 12,
    dtype: 'bool',
    ints: compared((sign) => sign >= 0),
  }),
  { stopsGradient: true },
);
