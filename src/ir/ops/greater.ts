import { binary } from './families/binary.js';
import { withoutGradient } from './gradients/attach.js';
import { compared } from './ints.js';

/** Greater: a > b. */
export const greater = withoutGradient(
  binary('Greater', (a, b) => (a > b ? 1 : 0), {
    dtype: 'bool',
    ints: compared((sign) => sign > 0),
  }),
);
