import { add, mul, repeat, type Stmt, type U32, u32 } from '../ir/kir.js';
import type { TileSchedule } from '../model/types.js';
import type { RingTiles } from './ring-product.js';
import type { TileShape } from './unit-tiles.js';

/** What a unit multiplies at once: a rows x inner by b inner x cols. */
interface Unit {
  readonly rows: number;
  readonly cols: number;
  readonly inner: number;
}

/** Fragments of the operands that a warp, or a subgroup, holds: TM x inner and inner x TN. */
export const fragmentCounts = ({ TM, TN }: TileSchedule, { rows, cols }: Omit<Unit, 'inner'>) => ({
  down: TM / rows,
  across: TN / cols,
});

/**
 * What a warp, or a subgroup, does with tiles in workgroup memory: for each step along the inner dimension it loads the fragments of
 * its TM rows and TN columns, which begin at `row` and `col`, and adds their products to the sums, `each` places for each.
 * `wide`: fragments of b that one load brings.
 */
export function unitSteps(
  schedule: TileSchedule,
  unit: Unit,
  { a, b }: RingTiles,
  {
    n,
    first,
    row,
    col,
    sums,
    each,
    wide = 1,
  }: {
    readonly n: string;
    readonly first: { readonly a: U32; readonly b: U32 };
    readonly row: U32;
    readonly col: U32;
    readonly sums: string;
    readonly each: number;
    readonly wide?: 1 | 2;
  },
): Stmt {
  const { rows, cols, inner } = unit;
  const { down, across } = fragmentCounts(schedule, unit);
  const place = (from: U32, { pitch, transposed }: TileShape, row: U32, col: U32) => {
    const [i, j] = transposed ? [col, row] : [row, col];
    return add(from, add(mul(i, u32(pitch)), j));
  };
  return repeat(`k_${n}`, schedule.BK / inner, (step) => {
    const k = mul(step, u32(inner));
    return [
      repeat(`i_${n}`, down, (i) => [
        {
          s: 'fragment',
          fragment: 'part_a',
          index: i,
          tile: 'tile_a',
          at: place(first.a, a, add(row, mul(i, u32(rows))), k),
          stride: a.pitch,
          transposed: a.transposed,
        },
      ]),
      repeat(`j_${n}`, across / wide, (j) => [
        {
          s: 'fragment',
          fragment: 'part_b',
          index: mul(j, u32(wide)),
          tile: 'tile_b',
          at: place(first.b, b, k, add(col, mul(j, u32(wide * cols)))),
          stride: b.pitch,
          transposed: b.transposed,
          ...(wide === 2 ? { pair: true } : {}),
        },
      ]),
      repeat(`i2_${n}`, down, (i) => [
        repeat(`j2_${n}`, across, (j) => [
          {
            s: 'mma',
            acc: sums,
            at: mul(add(mul(i, u32(across)), j), u32(each)),
            a: 'part_a',
            aIndex: i,
            b: 'part_b',
            bIndex: j,
          },
        ]),
      ]),
    ];
  });
}
