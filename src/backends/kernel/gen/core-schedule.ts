import type { Product, TileSchedule } from '../model/types.js';
import { codeTableBytes } from '../plan/code-tables.js';
import { rowPad } from '../plan/padded-tiles.js';
import { packedAtOnce, VECTOR } from '../plan/vectors.js';

/** Longest side of a tile with unpacked numbers: lanes hold words next to their sums. */
const SIDE = 64;
/** Rows of a tile in a ring are at most 128 bytes. */
const LONGEST = 32;
/** Lanes along the columns whose reads of a tile are served at once. */
const ACROSS = 8;

/**
 * The schedule of a ring on ordinary lanes for a product. With packed operands rows of tiles are as long as what is loaded at once, and tiles
 * smaller. Null where not even two tiles fit in `bytes`, or lanes do not lie eight along the columns.
 */
export function coreSchedule(
  schedule: TileSchedule,
  { segments }: Product,
  bytes: number,
): TileSchedule | null {
  const packed = segments.flatMap(({ b }) => (b.matrix.packed ? [{ ...b, how: b.matrix.packed }] : []));
  if (packed.length === 0) return schedule;
  const alongRows = packed.filter(({ transposed }) => transposed).map(({ how }) => packedAtOnce(how));
  const BK = Math.min(LONGEST, Math.max(schedule.BK, ...alongRows));
  const [BM, BN] = [Math.min(schedule.BM, SIDE), Math.min(schedule.BN, SIDE)];
  const [TM, TN] = [Math.min(schedule.TM, VECTOR), BN / ACROSS];
  if (BM % TM !== 0 || TN % VECTOR !== 0) return null;
  const tile = 4 * (BK * BM + BN * (BK + rowPad('f32', true)));
  const stages = Math.min(schedule.stages, Math.floor((bytes - codeTableBytes(segments)) / tile));
  return stages < 2 ? null : { ...schedule, BM, BN, BK, TM, TN, stages };
}
