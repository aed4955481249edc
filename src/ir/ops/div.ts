import { op } from './define.js';
import { divDim } from './dims.js';
import { binary } from './families/binary.js';
import { divVjp } from './gradients/elementwise.js';
import { dtypeAt } from './rules.js';
import { isInteger } from './tensor-values.js';

/** Div: a / b; integers are rounded toward zero. */
export const Div = op(
  binary(
    'Div',
    (a, b, node) => {
      const dtype = dtypeAt(node, 0);
      return dtype !== null && isInteger(dtype) ? Math.trunc(a / b) : a / b;
    },
    { ints: divDim },
  ),
  { vjp: divVjp },
);
