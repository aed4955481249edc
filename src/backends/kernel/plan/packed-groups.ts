import { BOX, WARPGROUP_ROWS } from '../ir/warpgroups.js';
import type { DeviceProfile, Extent, Product, TileSchedule } from '../model/types.js';
import { lengthOf, rateOf } from './cost.js';
import { ofWarpgroups, unpaired, warpgroupTypeOf, whyNoWarpgroups } from './warpgroup-schedule.js';

/**
 * Tiles of warpgroups over packed weights. Every block unpacks what it multiplies: the more rows it has the less there is to unpack, for as many
 * sums. Four warpgroups multiply 64 rows each, and one unpacks. Three stages leave room for boxes in which results leave.
 */
const TILES = {
  BM: 4 * WARPGROUP_ROWS,
  BN: 128,
  BK: BOX,
  TM: WARPGROUP_ROWS,
  TN: 128,
  stages: 3,
  warps: 20,
} as const;

/** Instructions of a lane for each number that is unpacked, with its part of all else that is done for a tile: whole numbers, and codes of a table. A test counts them. */
export const UNPACKING = { whole: 10, codes: 14 } as const;

/** What `mma.sync` reaches of the rate of warpgroups: the nominal rate less 40 %, which profiles assume for tf32 too. */
const OF_WARPGROUPS = 0.74;
/** Rows of a tile of `mma.sync` over packed weights. */
const UNIT_ROWS = 128;

/**
 * The schedule of warpgroups for a product over packed weights; null where they do not take it or take longer than `mma.sync`. The warpgroup that
 * unpacks has a warp on each scheduler of a multiprocessor, so both forms unpack at most at the rate of all lanes, half of that of float32 in
 * FLOP, and multiply meanwhile. A block of warpgroups has a multiprocessor for itself; those of `mma.sync` are cut until they fill the device.
 */
export function packedGroups(
  work: Product,
  planned: TileSchedule,
  { device, tokens }: { readonly device: DeviceProfile; readonly tokens: number },
): TileSchedule | null {
  // blocks in pairs share tiles that the copy engine brings, not what is unpacked
  const schedule: TileSchedule = { ...unpaired(planned), ...TILES };
  const type = warpgroupTypeOf(work);
  const { multiprocessors: units } = device;
  if (!ofWarpgroups(planned) || !type || !units || whyNoWarpgroups(work, schedule) !== null) return null;
  const n = (extent: Extent) => lengthOf(extent, { M: tokens });
  const [rows, cols] = [n(work.rows), n(work.cols)];
  const inner = work.segments.reduce((sum, segment) => sum + n(segment.inner), 0);
  // instructions for a column of the packed operands
  const unpacked = work.segments.reduce((sum, { b: { matrix }, inner: length }) => {
    const each = matrix.packed ? UNPACKING[matrix.packed.table ? 'codes' : 'whole'] : 0;
    return sum + each * n(length);
  }, 0);
  const [rate, lanes] = [rateOf(type, device), rateOf('f32', device) / 2];
  const { BM, BN } = TILES;
  const waves = Math.ceil((Math.ceil(rows / BM) * Math.ceil(cols / BN)) / units);
  const grouped = waves * units * BN * Math.max((2 * BM * inner) / rate, unpacked / lanes);
  const bySync =
    cols *
    Math.max((2 * rows * inner) / (OF_WARPGROUPS * rate), (Math.ceil(rows / UNIT_ROWS) * unpacked) / lanes);
  return grouped < bySync ? schedule : null;
}
