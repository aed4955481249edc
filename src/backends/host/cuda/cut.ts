import { blocksAtOnce } from '../../kernel/device/blocks.js';
import { unitBytes, unitTypeOf } from '../../kernel/gen/unit-schedule.js';
import type { Extent, Product, TileSchedule } from '../../kernel/model/types.js';
import { lengthOf } from '../../kernel/plan/cost.js';
import { MOST_PARTS } from '../shared/cuts.js';
import type { Planned } from '../shared/lower.js';

/** Blocks for each multiprocessor that a cut product aims at, as far as they have shared memory: one loads while others multiply. */
const BLOCKS_EACH = 2;
/** Least number of tiles of the inner dimension in a part: fewer would not fill the ring; and where there is none. */
const LEAST_TILES = 4;
const LEAST_WITHOUT_RING = 2;

/** Parts that fill the device; 1 where the product has blocks enough. */
export function mostParts(work: Product, schedule: TileSchedule, { device, tokens }: Planned): number {
  const { BM, BN, BK, stages, subgroups } = schedule;
  const simple = work.parts === 1 && !work.chain && !work.widen && !subgroups;
  if (!device.multiprocessors || !simple || typeof work.cols !== 'number') return 1;
  const n = (extent: Extent) => lengthOf(extent, { M: tokens });
  const [rows, cols] = [n(work.rows), work.cols];
  const blocks = Math.ceil(rows / BM) * Math.ceil(cols / BN);
  if (blocks >= device.multiprocessors) return 1;
  const tiles = work.segments.reduce((sum, { inner }) => sum + Math.ceil(n(inner) / BK), 0);
  const type = unitTypeOf(work);
  const ring = type && schedule.warps > 0 ? unitBytes(schedule, type) : 0;
  const each = Math.min(BLOCKS_EACH, blocksAtOnce(ring, device));
  return Math.min(
    Math.ceil((each * device.multiprocessors) / blocks),
    Math.floor(tiles / (stages > 1 ? LEAST_TILES : LEAST_WITHOUT_RING)),
    MOST_PARTS,
  );
}
