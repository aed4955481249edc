import { attrInt } from '../../attr.js';
import { i64Tensor } from '../../tensor.js';
import { floats, range, unsqueeze } from './shape.js';
import { input, type Vjp } from './vjp.js';

/** Larger matrices have too many minors. */
const MOST = 16;

/**
 * Det: the derivative by an element is its cofactor, the determinant of the matrix without its row and column, with
 * alternating signs. That holds for singular matrices too, which have no inverse.
 */
export const detVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const rank = b.rank(x);
  const n = b.dims(x)[rank - 1];
  if (typeof n !== 'number' || n > MOST)
    return { because: `its matrices are larger than ${MOST} x ${MOST}, or of an unknown extent`, at: node };
  const wide = unsqueeze(b, unsqueeze(b, dy!, rank - 2), rank - 1);
  if (n === 1) return [wide];
  const left = range(n).flatMap((out) => range(n).filter((k) => k !== out));
  const others = b.constant(i64Tensor([n, n - 1], left), 'grad/others');
  // (..., n rows out, n - 1, n columns out, n - 1)
  const rows = b.one('Gather', [x, others], { axis: attrInt(rank - 2) });
  const both = b.one('Gather', [rows, others], { axis: attrInt(rank) });
  const at = range(rank - 2);
  const minors = b.one('Det', [b.transpose(both, [...at, rank - 2, rank, rank - 1, rank + 1])]);
  const signs = range(n * n).map((i) => ((Math.floor(i / n) + (i % n)) % 2 === 0 ? 1 : -1));
  return [b.mul(b.mul(minors, floats(b, x, [n, n], signs, 'grad/signs')), wide)];
};
