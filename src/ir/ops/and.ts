import { op } from './define.js';
import { binary } from './families/binary.js';
import { known } from './ints.js';

/** And: logical and. */
export const And = op(
  binary('And', (a, b) => (a !== 0 && b !== 0 ? 1 : 0), {
    commutative: true,
    dtype: 'bool',
    ints: known((a, b) => a !== 0 && b !== 0),
  }),
  { stopsGradient: true },
);
