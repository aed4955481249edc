import type { ScheduleRow, TileSchedule } from '../model/types.js';
import { MATRIX_SHAPES, type SubgroupShape, subgroupMatrix } from './subgroup-matrices.js';
import { scheduleRows, type TileEntry } from './tiles.js';

/** The same tiles, with the inner dimension spread over subgroups: rows that a plan may only take when it is asked to. */
const overSubgroups = (rows: readonly ScheduleRow[]): ScheduleRow[] =>
  rows.map((row) => ({ ...row, schedule: { ...row.schedule, subgroups: true } }));

/** The same tiles, with invocations along the columns and along the inner dimension. */
const fewRows = (rows: readonly ScheduleRow[]): ScheduleRow[] =>
  rows.map((row) => ({ ...row, schedule: { ...row.schedule, gemv: true } }));

/**
 * The same tiles with rows of a vector more: a tile that is written across its rows is not all in one bank. No row has an odd length:
 * drivers of Adreno and Mali are known to compile such tiles wrongly.
 */
const padded = (rows: readonly ScheduleRow[]): ScheduleRow[] =>
  rows.map((row) =>
    row.family === 'reducePartials' ? row : { ...row, schedule: { ...row.schedule, pad: 4 } },
  );

/**
 * Few rows: 64 invocations share the inner dimension. A merged launch takes the narrowest tile that is wide enough for its rank;
 * reading W along its rows, 8 neighbours fill 32 bytes.
 */
const SUBGROUPS: readonly TileEntry[] = [
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

/**
 * Few rows, in vectors: neighbours of 64 bytes or more along the columns, the rest of 256 invocations along the inner dimension.
 * Narrow results take fewer columns, so that a device has as many workgroups.
 */
const GEMV: readonly TileEntry[] = [
  ['gemm', 'rows<=1 cols<=1536', [1, 16, 256, 1, 4, 4, 1, 0, 1]],
  ['gemm', 'rows<=1', [1, 32, 128, 1, 4, 4, 1, 0, 1]],
  ['gemm', 'rows<=4 cols<=1536', [4, 16, 256, 4, 4, 4, 1, 0, 1]],
  ['gemm', 'rows<=4', [4, 32, 128, 4, 4, 4, 1, 0, 1]],
  ['gemm', 'rows<=8', [8, 32, 64, 8, 4, 4, 1, 0, 1]],
  ['skinny', 'rows<=1', [1, 8, 512, 1, 4, 4, 1, 0, 1]],
  ['skinny', 'rows<=4', [4, 8, 512, 4, 4, 4, 1, 0, 1]],
  // a tile of 64 rows would be one workgroup for all of P
  ['skinny', 'rows<=64', [8, 8, 256, 8, 4, 4, 1, 0, 1]],
];

/** Tiles of four subgroups, two by two, that fit in the 16 KB of workgroup memory that every device has. Not measured. */
const MATRICES = {
  'f32-8x8x8': [32, 64, 8, 16, 32],
  'f16-8x8x8': [32, 64, 16, 16, 32],
  'f16-8x16x16': [32, 64, 16, 16, 32],
  'f16-16x16x16': [32, 32, 16, 16, 16],
} as const satisfies Record<SubgroupShape, readonly number[]>;

/** The schedule of subgroups that multiply matrices of a shape. */
export function matrixSchedule(matrix: SubgroupShape): TileSchedule {
  const [BM, BN, BK, TM, TN] = MATRICES[matrix];
  return { BM, BN, BK, TM, TN, vec: 4, stages: 2, warps: 4, splitK: 1, matrix };
}

/** Rows that a plan may only take on request, for one of the shapes. */
const ofMatrices = (target: string): ScheduleRow[] =>
  MATRIX_SHAPES.map((shape) => ({
    target,
    dtype: subgroupMatrix(shape).type,
    family: 'gemm',
    bucket: 'any',
    schedule: matrixSchedule(shape),
    source: 'heuristic',
  }));

/** Families whose tiles are the same on all WebGPU targets. */
const COMMON: readonly TileEntry[] = [
  ['gemv', 'any', [4, 128, 16, 4, 2, 1, 1, 0, 1]],
  ['gemv', 'any', [4, 64, 16, 4, 1, 1, 1, 0, 1]],
  ['skinny', 'cols<=8', [64, 8, 16, 2, 4, 4, 1, 0, 1]],
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
  ['reducePartials', 'any', [256, 1, 1, 1, 1, 4, 1, 0, 1]],
];

/**
 * Starting points, not measurements: tiles that others report as good, within the limits of WebGPU. `own`: those of the
 * target, before the common ones; `gemv`: few rows have kernels of their own. Those come before matrices of subgroups.
 */
export const webgpuTiles = (
  target: string,
  own: readonly TileEntry[],
  { gemv = true }: { readonly gemv?: boolean } = {},
): readonly ScheduleRow[] => [
  ...overSubgroups(scheduleRows(target, ['f32', 'f16'], SUBGROUPS)),
  ...(gemv ? fewRows(scheduleRows(target, ['f32', 'f16'], GEMV)) : []),
  ...ofMatrices(target),
  ...padded(scheduleRows(target, ['f32', 'f16'], [...own, ...COMMON])),
];
