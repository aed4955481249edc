import { binary } from './families/binary.js';
import { withoutGradient } from './gradients/attach.js';
import { compared } from './ints.js';

/** GreaterOrEqual: a >= b. */
export const greaterOrEqual = withoutGradient(
  binary('GreaterOrEqual', (a, b) => (a >= b ? 1 : 0), {
    since: 12,
    dtype: 'bool',
    ints: compared((sign) => sign >= 0),
  }),
);
