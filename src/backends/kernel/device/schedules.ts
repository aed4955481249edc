import type { Family, KernelDtype, Schedule, ScheduleRow } from '../model/types.js';

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
];
type Entry = readonly [family: Family, bucket: string, tiles: Tiles];

function table(target: string, dtypes: readonly KernelDtype[], entries: readonly Entry[]): ScheduleRow[] {
  return dtypes.flatMap((dtype) =>
    entries.map(([family, bucket, [BM, BN, BK, TM, TN, vec, stages, warps, splitK]]) => {
      const schedule: Schedule = { BM, BN, BK, TM, TN, vec, stages, warps, splitK };
      return { target, dtype, family, bucket, schedule, source: 'heuristic' as const };
    }),
  );
}

/** The same tiles, with the inner dimension spread over subgroups: rows that a plan may only take when it is asked to. */
const overSubgroups = (rows: readonly ScheduleRow[]): ScheduleRow[] =>
  rows.map((row) => ({ ...row, schedule: { ...row.schedule, subgroups: true } }));

/**
 * Few rows: 64 invocations share the inner dimension. A merged launch takes the narrowest tile that is wide enough for its rank;
 * reading W along its rows, 8 neighbours fill 32 bytes.
 */
const WEBGPU_SUBGROUPS: readonly Entry[] = [
  ['gemv', 'rows<=1', [1, 32, 64, 1, 8, 1, 1, 0, 1]],
  ['gemv', 'rows<=1', [1, 64, 64, 1, 8, 1, 1, 0, 1]],
  ['gemv', 'rows<=1', [1, 128, 64, 1, 8, 1, 1, 0, 1]],
  ['gemv', 'rows<=4', [4, 32, 64, 4, 8, 1, 1, 0, 1]],
  ['gemv', 'rows<=4', [4, 64, 64, 4, 8, 1, 1, 0, 1]],
  ['gemv', 'rows<=4', [4, 128, 64, 4, 8, 1, 1, 0, 1]],
  ['gemm', 'rows<=1', [1, 8, 64, 1, 8, 1, 1, 0, 1]],
  ['gemm', 'rows<=4', [4, 8, 64, 4, 8, 1, 1, 0, 1]],
  ['skinny', 'rows<=1', [1, 8, 64, 1, 8, 1, 1, 0, 1]],
  ['skinny', 'rows<=64', [4, 8, 64, 4, 8, 1, 1, 0, 1]],
];

/** The same tiles with rows of one element more: a tile that is written across its rows is not all in one bank. */
const padded = (rows: readonly ScheduleRow[]): ScheduleRow[] =>
  rows.map((row) =>
    row.family === 'reducePartials' ? row : { ...row, schedule: { ...row.schedule, pad: 1 } },
  );

/** Families whose tiles are the same on all WebGPU targets. */
const WEBGPU_COMMON: readonly Entry[] = [
  ['gemv', 'any', [4, 128, 16, 4, 2, 1, 1, 0, 1]],
  ['gemv', 'any', [4, 64, 16, 4, 1, 1, 1, 0, 1]],
  ['skinny', 'cols<=8', [64, 8, 16, 4, 2, 1, 1, 0, 1]],
  ['skinny', 'cols<=16', [64, 16, 16, 4, 4, 4, 1, 0, 1]],
  ['skinny', 'cols<=32', [32, 32, 16, 4, 4, 4, 1, 0, 1]],
  ['skinny', 'any', [32, 64, 16, 4, 4, 4, 1, 0, 1]],
  ['skinnyT', 'rows<=8 inner<=256', [8, 128, 16, 4, 4, 4, 1, 0, 1]],
  ['skinnyT', 'rows<=8', [8, 128, 16, 4, 4, 4, 1, 0, 8]],
  ['skinnyT', 'cols<=8 inner<=256', [128, 8, 16, 4, 4, 4, 1, 0, 1]],
  ['skinnyT', 'cols<=8', [128, 8, 16, 4, 4, 4, 1, 0, 8]],
  ['skinnyT', 'inner<=256', [32, 32, 16, 4, 4, 4, 1, 0, 1]],
  ['skinnyT', 'any', [32, 32, 16, 4, 4, 4, 1, 0, 8]],
  ['rankBatched', 'any', [32, 32, 16, 4, 4, 4, 1, 0, 1]],
  ['reducePartials', 'any', [256, 1, 1, 1, 1, 1, 1, 0, 1]],
];

/** Families whose tiles are the same on all CUDA targets. */
const CUDA_COMMON: readonly Entry[] = [
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

/** One block tile for small, one for large problems of the f32 products on CUDA cores. */
const CUDA_F32: readonly Entry[] = [
  ['gemm', 'rows<=64', [16, 128, 16, 16, 32, 4, 2, 4, 1]],
  ['gemm', 'any', [64, 64, 16, 32, 32, 4, 2, 4, 1]],
  ['gemv', 'any', [16, 128, 16, 16, 32, 4, 2, 4, 1]],
  ['skinny', 'any', [64, 32, 16, 16, 32, 4, 2, 4, 1]],
  ['skinnyT', 'inner<=256', [16, 64, 16, 16, 16, 4, 2, 4, 1]],
  ['skinnyT', 'any', [16, 64, 16, 16, 16, 4, 2, 4, 16]],
  ['rankBatched', 'any', [64, 64, 16, 32, 32, 4, 2, 4, 1]],
  ['reducePartials', 'any', [256, 1, 1, 32, 1, 1, 1, 8, 1]],
];

/**
 * Starting points, not measurements: tiles that others report as good, within the limits of the target. Rows of one family
 * are tried in order; the first whose shape class fits and that the device can run is taken.
 */
export const HEURISTICS: readonly ScheduleRow[] = [
  ...['webgpu-laptop', 'webgpu-apple', 'webgpu-intel'].flatMap((target) =>
    overSubgroups(table(target, ['f32', 'f16'], WEBGPU_SUBGROUPS)),
  ),
  // 8x8 invocations of 4x4: what a browser runs everywhere; 16x16 of 4x4 once the grid is large
  ...padded(
    table(
      'webgpu-laptop',
      ['f32', 'f16'],
      [
        ['gemm', 'rows<=8', [8, 128, 16, 2, 8, 4, 1, 0, 1]],
        ['gemm', 'rows<=64', [16, 128, 16, 4, 8, 4, 1, 0, 1]],
        ['gemm', 'rows<=512', [32, 32, 16, 4, 4, 4, 1, 0, 1]],
        ['gemm', 'any', [64, 64, 16, 4, 4, 4, 1, 0, 1]],
        ...WEBGPU_COMMON,
      ],
    ),
  ),
  // 4x8 per invocation beats 4x4 by 7-13 % on Apple; 8x8 spills
  ...padded(
    table(
      'webgpu-apple',
      ['f32', 'f16'],
      [
        ['gemm', 'rows<=8', [8, 128, 16, 2, 8, 4, 1, 0, 1]],
        ['gemm', 'rows<=64', [16, 128, 8, 4, 8, 4, 1, 0, 1]],
        ['gemm', 'any', [32, 64, 8, 4, 8, 4, 1, 0, 1]],
        ...WEBGPU_COMMON,
      ],
    ),
  ),
  ...padded(
    table(
      'webgpu-intel',
      ['f32', 'f16'],
      [
        ['gemm', 'rows<=8', [8, 128, 16, 2, 8, 4, 1, 0, 1]],
        ['gemm', 'rows<=64', [16, 128, 16, 4, 8, 4, 1, 0, 1]],
        ['gemm', 'any', [32, 32, 16, 4, 4, 4, 1, 0, 1]],
        ...WEBGPU_COMMON,
      ],
    ),
  ),
  // mma.sync, 64x64 warp tiles, cp.async
  ...['sm_80', 'sm_120'].flatMap((target) =>
    table(
      target,
      ['f16', 'bf16'],
      [
        ['gemm', 'rows<=64', [64, 128, 64, 32, 64, 4, 3, 4, 1]],
        ['gemm', 'any', [128, 128, 32, 64, 64, 4, 3, 4, 1]],
        ...CUDA_COMMON,
      ],
    ),
  ),
  // wgmma m64n256k16: one producer and two consumer warpgroups
  ...table(
    'sm_90a',
    ['f16', 'bf16'],
    [
      ['gemm', 'rows<=64', [64, 128, 64, 32, 64, 4, 4, 4, 1]],
      ['gemm', 'any', [128, 256, 64, 64, 256, 4, 4, 12, 1]],
      ['gemm', 'any', [128, 128, 64, 64, 128, 4, 3, 12, 1]],
      ...CUDA_COMMON,
    ],
  ),
  ...['sm_80', 'sm_90a', 'sm_120'].flatMap((target) => table(target, ['f32'], CUDA_F32)),
];
