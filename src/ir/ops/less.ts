import { binary } from './families/binary.js';
import { compared } from './ints.js';

/** Less: a < b. */
export const less = binary('Less', (a, b) => (a < b ? 1 : 0), {
  dtype: 'bool',
  ints: compared((sign) => sign < 0),
});
