import { binary } from './families/binary.js';
import { withoutGradient } from './gradients/attach.js';
import { compared } from './ints.js';

/** Equal: a = b. */
export const equal = withoutGradient(
  binary('Equal', (a, b) => (a === b ? 1 : 0), {
    commutative: true,
    dtype: 'bool',
    ints: compared((sign) => sign === 0),
  }),
);
