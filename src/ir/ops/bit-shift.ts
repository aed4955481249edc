import { attrsOf } from './attrs.js';
import { binary } from './families/binary.js';

/** BitShift: unsigned a shifted left or right by b bits. */
export const BitShift = binary(
  'BitShift',
  (a, b, node) => {
    const right = node.is('BitShift') && attrsOf(node).direction === 'RIGHT';
    return Math.floor(a * 2 ** (right ? -b : b));
  },
  { since: 11, mixed: true },
);
