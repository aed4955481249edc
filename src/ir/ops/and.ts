import { binary } from './families/binary.js';
import { withoutGradient } from './gradients/attach.js';
import { known } from './ints.js';

/** And: logical and. */
export const and = withoutGradient(
  binary('And', (a, b) => (a !== 0 && b !== 0 ? 1 : 0), {
    commutative: true,
    dtype: 'bool',
    ints: known((a, b) => a !== 0 && b !== 0),
  }),
);
