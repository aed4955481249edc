import { binary } from './families/binary.js';
import { withoutGradient } from './gradients/attach.js';
import { known } from './ints.js';

/** Or: logical or. */
export const or = withoutGradient(
  binary('Or', (a, b) => (a !== 0 || b !== 0 ? 1 : 0), {
    commutative: true,
    dtype: 'bool',
    ints: known((a, b) => a !== 0 || b !== 0),
  }),
);
