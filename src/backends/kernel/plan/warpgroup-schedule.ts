import { BOX, WARPGROUP_ROWS, type WarpgroupType } from '../ir/warpgroups.js';
import type { Extent, Operand, Product, TileSchedule } from '../model/types.js';
import { wordsByFours } from './vectors.js';

/** Elements of 16 bytes: rows and first elements of what the copy engine loads are at multiples of this. */
const ALIGNED = 8;
/** Warps of a warpgroup. */
const WARPS = 4;

/** Whether a schedule is one of warpgroups: 64 rows and all columns of a tile each, and one more that loads. */
export const ofWarpgroups = ({ BM, BN, BK, TM, TN, warps, stages, splitK }: TileSchedule): boolean =>
  TM === WARPGROUP_ROWS &&
  TN === BN &&
  BN % BOX === 0 &&
  BK === BOX &&
  warps === WARPS * (BM / WARPGROUP_ROWS + 1) &&
  stages > 1 &&
  splitK === 1;

/** The schedule for blocks by themselves. */
export const unpaired = ({ pairs: _, ...alone }: TileSchedule): TileSchedule => alone;

/**
 * Why the matrix units of warpgroups (tier T2, sm_90a) cannot run a product with a schedule; null where they can. They take
 * operands of 16 bits whose rows begin at multiples of 16 bytes, in one launch for one adapter.
 */
export function whyNoWarpgroups(work: Product, schedule: TileSchedule): string | null {
  if (!ofWarpgroups(schedule)) return 'its schedule is none of warpgroups';
  if (work.chain || work.widen) return 'it is chained or widened';
  if (work.parts > 1) return 'its sums are taken in parts';
  const operands = work.segments.flatMap(({ a, b }) => [a, b]);
  const [first] = operands;
  if (!warpgroupTypeOf(work)) return `its operands are ${first!.matrix.dtype}`;
  if (schedule.pairs && operands.some(({ matrix }) => matrix.packed))
    return 'blocks in pairs share no tiles that are unpacked';
  const short = operands.find(({ matrix: { packed } }) => packed && !wordsByFours(packed));
  if (short) return `blocks of ${short.matrix.buffer}, which is packed, have no whole 16 bytes`;
  const odd = operands.find(
    ({ matrix }) => !matrix.packed && ![matrix.offset, matrix.rowStride].every(isAligned),
  );
  if (odd) return `rows of ${odd.matrix.buffer} do not begin at multiples of 16 bytes`;
  const own = operands.find(({ perRowBlock }) => perRowBlock);
  return own ? `${own.matrix.buffer} is another for each block of rows` : null;
}

/**
 * Whether the copy engine takes the results of a product to memory: of the type of its operands, in rows that begin at multiples of 16
 * bytes, and without what is in memory already, for sums of float32 would be rounded in between.
 */
export const sendsResults = (work: Product): boolean =>
  work.out.dtype === warpgroupTypeOf(work) &&
  !work.epilogue.accumulate &&
  work.epilogue.residual?.buffer !== work.out.buffer &&
  [work.out.offset, work.out.rowStride].every(isAligned);

const isAligned = (extent: Extent) => typeof extent === 'number' && extent % ALIGNED === 0;

/** The one type of all operands, if warpgroups multiply it. */
export function warpgroupTypeOf({ segments }: Product): WarpgroupType | null {
  const types = new Set(segments.flatMap(({ a, b }) => [a, b].map(({ matrix }: Operand) => matrix.dtype)));
  const [type] = types;
  return types.size === 1 && (type === 'bf16' || type === 'f16') ? type : null;
}
