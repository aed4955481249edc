import { elementOf, UNIT, UNIT_INNER, type UnitType } from '../ir/units.js';
import type { Product, TileSchedule } from '../model/types.js';
import { paddedElements, vectorWidth } from '../plan/padded-tiles.js';
import { unpaired } from '../plan/warpgroup-schedule.js';

/** Schedulers of a multiprocessor: with fewer warps in a block some matrix units have none. */
const SCHEDULERS = 4;

/** In which type the matrix unit multiplies: the narrowest of the operands; null: float32 that is not rounded. */
export function unitTypeOf({ segments, rounding }: Pick<Product, 'segments' | 'rounding'>): UnitType | null {
  const types = new Set(segments.flatMap(({ a, b }) => [a.matrix.dtype, b.matrix.dtype]));
  return types.has('bf16') ? 'bf16' : types.has('f16') ? 'f16' : (rounding ?? null);
}

/** Shared memory of the ring of a schedule, whichever way its tiles are stored. */
export function unitBytes({ BM, BN, BK, stages }: TileSchedule, type: UnitType): number {
  const elem = elementOf(type);
  const tiles = paddedElements(BM, BK, elem) + paddedElements(BN, BK, elem);
  return (stages * 16 * tiles) / vectorWidth(elem);
}

/**
 * The nearest schedule that a kernel for matrix units can run, with tiles of `type` in at most `bytes` of shared
 * memory: warps of at most 64 x 64 results (64 x 32 where fragments take twice the registers), as many as the tile needs, and fewer stages or shorter tiles where the ring
 * would not fit. Null for a schedule without warps.
 */
export function unitSchedule(schedule: TileSchedule, type: UnitType, bytes: number): TileSchedule | null {
  if (schedule.warps === 0) return null;
  const [BM, BN] = [schedule.BM, Math.min(schedule.BN, 128)];
  const TM = Math.min(schedule.TM, 64);
  let TN = Math.min(schedule.TN, type === 'tf32x3' ? 32 : 64, BN);
  while ((BM / TM) * (BN / TN) < SCHEDULERS && TN > UNIT.cols) TN /= 2;
  const size = 16 / vectorWidth(elementOf(type));
  const ring = (BK: number, stages: number) => unitBytes({ ...schedule, BM, BN, BK, stages }, type);
  const wanted = Math.max(schedule.stages, 2);
  const fitting = (BK: number) => {
    let stages = wanted;
    while (stages > 1 && ring(BK, stages) > bytes) stages--;
    return stages;
  };
  const lengths: number[] = [];
  for (let BK = Math.max(schedule.BK, UNIT_INNER[type]); BK >= UNIT_INNER[type]; BK /= 2) lengths.push(BK);
  // two tiles under way hide more than one that is longer, down to rows of 64 bytes
  const BK =
    lengths.find((BK) => BK * size >= 64 && fitting(BK) > 2) ?? lengths.find((BK) => fitting(BK) > 1);
  if (BK === undefined) return null;
  return { ...unpaired(schedule), BM, BN, BK, TM, TN, stages: fitting(BK), warps: (BM / TM) * (BN / TN) };
}
