import type { ScheduleRow } from '../model/types.js';
import { scheduleRows, type TileEntry } from './tiles.js';

/** The same tiles, with the inner dimension spread over subgroups: rows that a plan may only take when it is asked to. */
const overSubgroups = (rows: readonly ScheduleRow[]): ScheduleRow[] =>
  rows.map((row) => ({ ...row, schedule: { ...row.schedule, subgroups: true } }));

/** The same tiles with rows of one element more: a tile that is written across its rows is not all in one bank. */
const padded = (rows: readonly ScheduleRow[]): ScheduleRow[] =>
  rows.map((row) =>
    row.family === 'reducePartials' ? row : { ...row, schedule: { ...row.schedule, pad: 1 } },
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

/** Families whose tiles are the same on all WebGPU targets. */
const COMMON: readonly TileEntry[] = [
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

/**
 * Starting points, not measurements: tiles that others report as good, within the limits of WebGPU. `gemm`: those that differ
 * from target to target.
 */
export const webgpuTiles = (target: string, gemm: readonly TileEntry[]): readonly ScheduleRow[] => [
  ...overSubgroups(scheduleRows(target, ['f32', 'f16'], SUBGROUPS)),
  ...padded(scheduleRows(target, ['f32', 'f16'], [...gemm, ...COMMON])),
];
