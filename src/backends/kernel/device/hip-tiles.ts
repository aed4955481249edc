import type { ScheduleRow } from '../model/types.js';
import { scheduleRows, type TileEntry } from './tiles.js';

/**
 * Two tiles of float32 in 64 KiB for two workgroups, whole waves of 64 lanes, and at most 64 sums for a lane, next to which the next tile waits
 * in 16 registers.
 */
const TILES: readonly TileEntry[] = [
  // gradients of cores: few results of a long sum; without a ring
  ['rankBatched', 'cols<=16', [16, 16, 64, 1, 1, 1, 1, 0, 1, 4]],
  ['gemm', 'rows<=16', [16, 128, 16, 2, 8, 4, 2, 0, 1]],
  ['gemm', 'rows<=64', [32, 128, 16, 4, 8, 4, 2, 0, 1]],
  ['gemm', 'any', [128, 128, 16, 8, 8, 4, 2, 0, 1]],
  ['gemv', 'any', [16, 128, 16, 2, 8, 4, 2, 0, 1]],
  ['skinny', 'any', [64, 32, 16, 4, 4, 4, 2, 0, 1]],
  ['skinnyT', 'inner<=256', [16, 64, 16, 4, 4, 4, 2, 0, 1]],
  ['skinnyT', 'any', [16, 64, 16, 4, 4, 4, 2, 0, 16]],
  ['rankBatched', 'any', [64, 64, 16, 4, 4, 4, 2, 0, 1]],
  ['reducePartials', 'any', [256, 1, 1, 1, 1, 1, 1, 0, 1]],
];

/** Starting points, not measurements. Numbers of 16 bits are widened when they are loaded: tiles are the same for all types. */
export const hipTiles = (target: string): readonly ScheduleRow[] =>
  scheduleRows(target, ['f32', 'f16', 'bf16'], TILES);
