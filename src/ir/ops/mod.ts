import { attrsOf } from './attrs.js';
import { binary } from './families/binary.js';

/** Mod: the remainder with the sign of b, or with fmod=1 with the sign of a (as in C). */
export const Mod = binary(
  'Mod',
  (a, b, node) => {
    const rest = a % b;
    const same = node.is('Mod') && attrsOf(node).fmod === 1;
    return same || rest === 0 || rest < 0 === b < 0 ? rest : rest + b;
  },
  {
    since: 10,
    ints: (a, b) => (typeof a === 'number' && typeof b === 'number' && b > 0 ? ((a % b) + b) % b : null),
  },
);
