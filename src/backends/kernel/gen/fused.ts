import { fail } from '../../../ir/diagnostics.js';
import { refused } from '../../codes/kernel-ir.js';
import {
  add,
  barrier,
  comment,
  div,
  f32,
  fma,
  load,
  loop,
  lt,
  min,
  mod,
  mul,
  peek,
  poke,
  repeat,
  type Stmt,
  type U32,
  u32,
} from '../ir/kir.js';
import type { Operand } from '../model/types.js';
import { coordinates, type OrientedView } from './parameters.js';
import type { ProductTile } from './tile.js';

/** Elements of P = a_0 down that each invocation computes when launches are merged (widen-N). */
function downElements(tile: ProductTile, rank: number): number {
  return Math.ceil((tile.schedule.BM * rank) / tile.threads);
}

/** P += tile_a tile_d, together with the base product. */
export function multiplyDown(tile: ProductTile, n: string, rank: number): Stmt {
  const { BM, BK } = tile.schedule;
  return loop(`kd_${n}`, u32(0), u32(BK), u32(1), (k) => [
    repeat(`q_${n}`, downElements(tile, rank), (q) => {
      // an invocation without an element of its own computes one that is not kept
      const e = min(add(tile.lane, mul(q, u32(tile.threads))), u32(BM * rank - 1));
      const [a, d] = [
        peek('tile_a', add(mul(k, u32(tile.pitchA)), div(e, u32(rank)))),
        peek('tile_d', add(mul(k, u32(rank)), mod(e, u32(rank)))),
      ];
      return [poke('down', q, fma(a, d, peek('down', q)))];
    }),
  ]);
}

/** acc += scale P up, with P passed through workgroup memory. */
export function widenedSum(tile: ProductTile): Stmt[] {
  const { TM, TN, BM, BK } = tile.schedule;
  const { widen } = tile.work;
  if (!widen) return [];
  const { rank, scale, up } = widen;
  const count = downElements(tile, rank);
  tile.arrays.push(
    { name: 'tile_d', space: 'workgroup', size: BK * rank },
    { name: 'tile_p', space: 'workgroup', size: BM * rank },
    { name: 'down', space: 'register', size: count },
  );
  const readUp = tile.params.operand(up, u32(rank), tile.cols, tile.row0);
  return [
    comment('P, computed with the base product, times the second factor'),
    repeat('q_p', count, (q) => {
      const e = add(tile.lane, mul(q, u32(tile.threads)));
      return [
        {
          s: 'if',
          cond: lt(e, u32(BM * rank)),
          body: [poke('tile_p', e, mul(f32(scale), peek('down', q)))],
        },
      ];
    }),
    barrier,
    loop('k_p', u32(0), u32(rank), u32(1), (k) => [
      ...rowOf(tile, 'p', readUp, k, tile.cols, tile.col0),
      repeat('i_p', TM, (i) => [
        repeat('j_p', TN, (j) => {
          const at = add(mul(i, u32(TN)), j);
          const p = peek('tile_p', add(mul(add(tile.tileRow, i), u32(rank)), k));
          return [poke('acc', at, fma(p, peek('row_b', j), peek('acc', at)))];
        }),
      ]),
    ]),
  ];
}

/** TN elements of one row of a matrix, into `row_b`. */
function rowOf(tile: ProductTile, name: string, read: OrientedView, k: U32, cols: U32, col0: U32): Stmt[] {
  return [
    repeat(`jb_${name}`, tile.schedule.TN, (j) => {
      const col = add(add(col0, tile.tileCol), j);
      return [poke('row_b', j, load(read.view, coordinates(read, k, col), lt(col, cols)))];
    }),
  ];
}

/**
 * T = (sum) chain: the whole row of the sum is in one tile and is multiplied once more before it is stored, by one
 * tile of columns after another.
 */
export function chained(tile: ProductTile, name: string, chain: Operand): Stmt[] {
  const { BM, BN, TM, TN } = tile.schedule;
  const { cols, out } = tile.work;
  if (typeof cols !== 'number' || cols > BN) {
    const why = `its row of ${cols} sums does not fit a tile of ${BN} columns`;
    return fail(refused({ launch: name, why }));
  }
  const outCols = tile.params.length(out.cols);
  const read = tile.params.operand(chain, tile.cols, outCols, tile.row0);
  tile.arrays.push(
    { name: 'tile_sum', space: 'workgroup', size: BM * BN },
    { name: 'acc2', space: 'register', size: TM * TN },
  );
  const columns = (col0: U32): Stmt[] => [
    loop('k_s', u32(0), tile.cols, u32(1), (k) => [
      ...rowOf(tile, 's', read, k, outCols, col0),
      repeat('i_t', TM, (i) => [
        repeat('j_t', TN, (j) => {
          const at = add(mul(i, u32(TN)), j);
          const sum = peek('tile_sum', add(mul(add(tile.tileRow, i), u32(BN)), k));
          return [poke('acc2', at, fma(sum, peek('row_b', j), peek('acc2', at)))];
        }),
      ]),
    ]),
    ...tile.stores('acc2', outCols, col0),
  ];
  const again = repeat('e_t', TM * TN, (at) => [poke('acc2', at, f32(0))]);
  return [
    comment('the sum, once more multiplied while it is in workgroup memory'),
    repeat('i_s', TM, (i) => [
      repeat('j_s', TN, (j) => [
        poke(
          'tile_sum',
          add(mul(add(tile.tileRow, i), u32(BN)), add(tile.tileCol, j)),
          peek('acc', add(mul(i, u32(TN)), j)),
        ),
      ]),
    ]),
    barrier,
    ...(typeof out.cols === 'number' && out.cols <= BN
      ? columns(tile.col0)
      : [loop('col_t', u32(0), outCols, u32(BN), (col0) => [again, ...columns(col0)])]),
  ];
}
