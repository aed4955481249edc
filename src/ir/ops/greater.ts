import { binary } from './families/binary.js';
import { compared } from './ints.js';

/** Greater: a > b. */
export const greater = binary('Greater', (a, b) => (a > b ? 1 : 0), {
  dtype: 'bool',
  ints: compared((sign) => sign > 0),
});
