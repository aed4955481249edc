import { binary } from './families/binary.js';
import { withoutGradient } from './gradients/attach.js';
import { known } from './ints.js';

/** Xor: logical exclusive or. */
export const xor = withoutGradient(
  binary('Xor', (a, b) => ((a !== 0) === (b !== 0) ? 0 : 1), {
    commutative: true,
    dtype: 'bool',
    ints: known((a, b) => (a !== 0) !== (b !== 0)),
  }),
);
