import { op } from './define.js';
import { binary } from './families/binary.js';
import { known } from './ints.js';

/** Xor: logical exclusive or. */
export const Xor = op(
  binary('Xor', (a, b) => ((a !== 0) === (b !== 0) ? 0 : 1), {
    commutative: true,
    dtype: 'bool',
    ints: known((a, b) => (a !== 0) !== (b !== 0)),
  }),
  { stopsGradient: true },
);
