import type { Family, ScheduleRow, TileSchedule } from '../model/types.js';

type Tiles = readonly [
  BM: number,
  BN: number,
  BK: number,
  TM: number,
  TN: number,
  vec: 1 | 2 | 4,
  stages: number,
  warps: number,
  splitK: number,
  pad?: number,
];
/** A row of a table without what is the same for all of its rows. */
export type TileEntry = readonly [
  family: Family,
  bucket: string,
  tiles: Tiles,
  more?: Pick<TileSchedule, 'pairs'>,
];

/** Rows of one target. Rows of one family are tried in order; the first whose shape class fits and that the device can run is taken. */
export function scheduleRows(
  target: string,
  dtypes: readonly ScheduleRow['dtype'][],
  entries: readonly TileEntry[],
): ScheduleRow[] {
  return dtypes.flatMap((dtype) =>
    entries.map(([family, bucket, [BM, BN, BK, TM, TN, vec, stages, warps, splitK, pad], more]) => {
      const tiles = { BM, BN, BK, TM, TN, vec, stages, warps, splitK, ...more };
      const schedule: TileSchedule = pad === undefined ? tiles : { ...tiles, pad };
      return { target, dtype, family, bucket, schedule, source: 'heuristic' as const };
    }),
  );
}
