import { binary } from './families/binary.js';
import { compared } from './ints.js';

/** Equal: a = b. */
export const equal = binary('Equal', (a, b) => (a === b ? 1 : 0), {
  commutative: true,
  dtype: 'bool',
  ints: compared((sign) => sign === 0),
});
