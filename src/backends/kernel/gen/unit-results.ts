import { div, mod, mul, repeat, type Stmt, type U32, u32 } from '../ir/kir.js';
import { UNIT, UNIT_RESULTS } from '../ir/units.js';

/** The results that a thread holds of one unit, each or every second: their places, rows and columns. */
export const unitResults = (
  width: 1 | 2,
  result: (e: U32, row: U32, col: U32) => readonly Stmt[],
): Stmt[] => [
  repeat('out_e', UNIT_RESULTS / width, (n) =>
    width === 2
      ? result(mul(n, u32(2)), mul(n, u32(UNIT.rows / 2)), u32(0))
      : result(n, mul(div(n, u32(2)), u32(UNIT.rows / 2)), mod(n, u32(2))),
  ),
];
