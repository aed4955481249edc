import { op } from './define.js';
import { binary } from './families/binary.js';
import { known } from './ints.js';

/** Or: logical or. */
export const Or = op(
  binary('Or', (a, b) => (a !== 0 || b !== 0 ? 1 : 0), {
    commutative: true,
    dtype: 'bool',
    ints: known((a, b) => a !== 0 || b !== 0),
  }),
  { stopsGradient: true },
);
