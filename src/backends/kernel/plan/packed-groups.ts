import { BOX, WARPGROUP_ROWS } from '../ir/warpgroups.js';
import type { Product, TileSchedule } from '../model/types.js';
import { ofWarpgroups, unpaired, whyNoWarpgroups } from './warpgroup-schedule.js';

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

/** The schedule of warpgroups for a product over packed weights, planned for another or not; null where they do not take it. */
export function packedGroups(work: Product, planned: TileSchedule): TileSchedule | null {
  // blocks in pairs share tiles that the copy engine brings, not what is unpacked
  const schedule: TileSchedule = { ...unpaired(planned), ...TILES };
  return ofWarpgroups(planned) && whyNoWarpgroups(work, schedule) === null ? schedule : null;
}
