import type { ScheduleRow } from '../model/types.js';
import { scheduleRows, type TileEntry } from './tiles.js';

/** Families whose tiles are the same on all CUDA targets. */
const COMMON: readonly TileEntry[] = [
  ['gemv', 'any', [16, 128, 64, 16, 32, 4, 3, 4, 1]],
  ['skinny', 'cols<=16', [64, 16, 64, 16, 16, 4, 4, 4, 1]],
  ['skinny', 'cols<=32', [64, 32, 64, 16, 32, 4, 3, 4, 1]],
  ['skinny', 'cols<=64', [64, 64, 64, 32, 32, 4, 3, 4, 1]],
  ['skinny', 'any', [64, 128, 64, 32, 64, 4, 3, 4, 1]],
  ['skinnyT', 'rows<=16 inner<=256', [16, 128, 64, 16, 32, 4, 3, 4, 1]],
  ['skinnyT', 'rows<=16', [16, 128, 64, 16, 32, 4, 3, 4, 16]],
  ['skinnyT', 'cols<=16 inner<=256', [128, 16, 64, 32, 16, 4, 3, 4, 1]],
  ['skinnyT', 'cols<=16', [128, 16, 64, 32, 16, 4, 3, 4, 16]],
  ['skinnyT', 'inner<=256', [64, 64, 64, 32, 32, 4, 3, 4, 1]],
  ['skinnyT', 'any', [64, 64, 64, 32, 32, 4, 3, 4, 16]],
  ['rankBatched', 'any', [64, 64, 32, 32, 32, 4, 2, 4, 1]],
  ['reducePartials', 'any', [256, 1, 1, 32, 1, 1, 1, 8, 1]],
];

/** float32 on CUDA cores: tiles in a ring, in vectors of four */
const FLOAT32: readonly TileEntry[] = [
  // gradients of cores: few results of a long sum, which is cut into parts; rows of tiles begin in different banks
  ['rankBatched', 'cols<=16', [16, 16, 64, 1, 1, 1, 1, 0, 1, 4]],
  ['gemm', 'rows<=16', [16, 128, 16, 2, 8, 4, 4, 0, 1]],
  ['gemm', 'rows<=64', [32, 128, 16, 4, 8, 4, 4, 0, 1]],
  ['gemm', 'any', [128, 128, 16, 8, 8, 4, 3, 0, 1]],
  ['gemv', 'any', [16, 128, 16, 2, 8, 4, 4, 0, 1]],
  ['skinny', 'any', [64, 32, 16, 4, 4, 4, 4, 0, 1]],
  ['skinnyT', 'inner<=256', [16, 64, 16, 4, 4, 4, 4, 0, 1]],
  ['skinnyT', 'any', [16, 64, 16, 4, 4, 4, 4, 0, 16]],
  ['rankBatched', 'any', [64, 64, 16, 4, 4, 4, 3, 0, 1]],
  ['reducePartials', 'any', [256, 1, 1, 32, 1, 1, 1, 8, 1]],
];

/** mma.sync, 64x64 warp tiles, cp.async; where two blocks have no room for as many stages, they get fewer */
export const MMA_GEMM: readonly TileEntry[] = [
  ['gemm', 'rows<=16', [16, 128, 64, 16, 32, 4, 4, 4, 1]],
  ['gemm', 'rows<=32', [32, 128, 64, 32, 32, 4, 3, 4, 1]],
  ['gemm', 'rows<=64', [64, 128, 64, 32, 64, 4, 3, 4, 1]],
  ['gemm', 'any', [128, 128, 32, 64, 64, 4, 4, 4, 1]],
];

/** float32 on matrix units: tiles of as many bytes as those of 16 bits */
const TF32: readonly TileEntry[] = [...MMA_GEMM, ...COMMON].flatMap(
  ([family, bucket, tiles]): TileEntry[] => {
    const [BM, BN, BK, ...rest] = tiles;
    return family === 'reducePartials' ? [] : [[family, bucket, [BM, BN, BK / 2, ...rest]]];
  },
);

/** wgmma m64n256k16, and of fewer columns where blocks are few: one producer and two consumer warpgroups; in pairs where that takes no more waves (plan/schedule.ts) */
const WGMMA_GEMM: readonly TileEntry[] = [
  ['gemm', 'rows<=16', [16, 128, 64, 16, 32, 4, 4, 4, 1]],
  ['gemm', 'rows<=32', [32, 128, 64, 32, 32, 4, 4, 4, 1]],
  ['gemm', 'rows<=64', [64, 128, 64, 32, 64, 4, 4, 4, 1]],
  ['gemm', 'any', [128, 256, 64, 64, 256, 4, 4, 12, 1], { pairs: true }],
  ['gemm', 'any', [128, 128, 64, 64, 128, 4, 6, 12, 1], { pairs: true }],
  ['gemm', 'any', [128, 64, 64, 64, 64, 4, 8, 12, 1]],
];

/**
 * Starting points, not measurements: tiles that others report as good, within the limits of the target. `gemm`: those of 16-bit
 * operands that differ from target to target.
 */
export const cudaTiles = (target: string, gemm: readonly TileEntry[]): readonly ScheduleRow[] => [
  ...scheduleRows(target, ['f16', 'bf16'], [...gemm, ...COMMON]),
  ...scheduleRows(target, ['tf32'], TF32),
  ...scheduleRows(target, ['f32'], FLOAT32),
];

/** H100 and H200 differ in memory only. */
export const SM_90A_TILES = cudaTiles('sm_90a', WGMMA_GEMM);
