import { binary } from './families/binary.js';
import { withoutGradient } from './gradients/attach.js';
import { compared } from './ints.js';

/** Less: a < b. */
export const less = withoutGradient(
  binary('Less', (a, b) => (a < b ? 1 : 0), {
    dtype: 'bool',
    ints: compared((sign) => sign < 0),
  }),
);
