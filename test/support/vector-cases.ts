import type { KernelDtype, Operand, Segment, TileSchedule } from '../../src/backends/kernel/model/types.js';
import { dense, flipped, plain } from '../../src/backends/kernel/plan/launches.js';
import { type KernelCase, type Made, make, typedSegment as part } from './kernel-cases.js';

const TILES: TileSchedule = {
  BM: 16,
  BN: 16,
  BK: 8,
  TM: 4,
  TN: 4,
  vec: 4,
  stages: 1,
  warps: 0,
  splitK: 1,
  pad: 4,
};
/** 4 invocations along the columns, 8 along the inner dimension. */
const GEMV: TileSchedule = { ...TILES, BM: 4, BN: 16, BK: 32, TM: 4, gemv: true };

const of = (name: string, made: Made): KernelCase =>
  make(name, { outOffset: 4, gap: 4, ...made, schedule: { ...TILES, ...made.schedule } });
const few = (name: string, made: Made): KernelCase =>
  make(`gemv_${name}`, { outOffset: 4, gap: 4, ...made, schedule: { ...GEMV, ...made.schedule } });

const mat = (name: string, rows: number, cols: number): Operand => plain(dense(name, 'f32', rows, cols));

const concat = (
  K: number,
  N: number,
  r: number,
  dtype: KernelDtype = 'f32',
  b = false,
): readonly Segment[] => [part(['x', 'w'], ['M', K, N], dtype, { b }), part(['p', 'l'], ['M', r, N], dtype)];

const EPILOGUE = {
  scale: 0.75,
  bias: { buffer: 'b', dtype: 'f32', offset: 8 },
  residual: dense('before', 'f32', 'M', 28, 4),
  activation: 'relu',
} as const;

const perRowBlock = { table: 'adapter_of', stride: 4 * 12 + 8, count: 3 };
const adapted = (K: number): readonly Segment[] => [
  part(['x', 'w'], ['M', K, 12], 'f32'),
  { ...part(['p', 'l'], ['M', 4, 12], 'f32'), b: { ...mat('l', 4, 12), perRowBlock } },
];

/**
 * Products in vectors of four: widths that are whole vectors and not whole tiles, any number of rows, every way to store an operand,
 * what an epilogue does, sums in parts, several adapters, operands in float16.
 */
export function vectorCases(): readonly KernelCase[] {
  return [
    of('vectors', { rows: 'M', cols: 28, segments: concat(20, 28, 4), M: 17 }),
    of('vectors_whole_tiles', { rows: 'M', cols: 16, segments: concat(16, 16, 8), M: 16 }),
    of('vectors_eight_columns_each', {
      rows: 'M',
      cols: 44,
      segments: concat(12, 44, 12),
      M: 5,
      schedule: { BM: 8, BN: 32, BK: 4, TM: 2, TN: 8 },
    }),
    of('vectors_weights_stored_out_in', {
      rows: 'M',
      cols: 28,
      segments: concat(20, 28, 8, 'f32', true),
      M: 9,
      epilogue: EPILOGUE,
    }),
    of('vectors_dx_accumulating', {
      rows: 'M',
      cols: 12,
      segments: [
        part(['dy', 'w'], ['M', 20, 12], 'f32', { b: true }),
        part(['dp', 'r'], ['M', 4, 12], 'f32', { b: true }),
      ],
      M: 7,
      epilogue: { accumulate: true, scale: -2 },
    }),
    of('vectors_sum_over_tokens', {
      rows: 8,
      cols: 20,
      segments: [
        { a: flipped(dense('p', 'f32', 'M', 8)), b: part(['p', 'dy'], [8, 'M', 20], 'f32').b, inner: 'M' },
      ],
      M: 23,
      schedule: { splitK: 3 },
    }),
    of('vectors_both_transposed', {
      rows: 20,
      cols: 12,
      segments: [{ a: flipped(dense('a', 'f32', 16, 20)), b: flipped(dense('b', 'f32', 12, 16)), inner: 16 }],
      M: 1,
    }),
    of('vectors_many_adapters', { rows: 'M', cols: 12, segments: adapted(8), M: 21, schedule: { BM: 8 } }),
    of('vectors_half', { rows: 'M', cols: 28, segments: concat(20, 28, 4, 'f16', true), M: 11 }),
  ];
}

/** Tiles of float16 that are added up in float16. */
export function halfSumCases(): readonly KernelCase[] {
  const half = (name: string, b: boolean, schedule: Partial<TileSchedule>): KernelCase =>
    of(`half_sums_${name}`, {
      rows: 'M',
      cols: 28,
      segments: concat(76, 28, 4, 'f16', b),
      M: 11,
      schedule: { ...schedule, halfSums: true },
    });
  return [half('of_8', false, {}), half('of_16_stored_out_in', true, { BK: 16, TM: 2 })];
}

/** Products of few rows with vectors along the columns. */
export function gemvCases(): readonly KernelCase[] {
  return [
    few('one_row', { rows: 'M', cols: 28, segments: concat(76, 28, 4), M: 1, schedule: { BM: 1, TM: 1 } }),
    few('three_rows', { rows: 'M', cols: 28, segments: concat(76, 28, 8), M: 3, epilogue: EPILOGUE }),
    few('five_rows_stored_out_in', { rows: 'M', cols: 28, segments: concat(76, 28, 4, 'f32', true), M: 5 }),
    few('whole_lengths', { rows: 'M', cols: 16, segments: concat(64, 16, 32), M: 4 }),
    few('p', {
      rows: 'M',
      cols: 8,
      segments: [part(['x', 'r'], ['M', 148, 8], 'f32')],
      M: 2,
      schedule: { BM: 2, TM: 2, BN: 8, BK: 64 },
      epilogue: { accumulate: true, scale: -2 },
    }),
    few('in_parts', { rows: 'M', cols: 28, segments: concat(76, 28, 4), M: 3, schedule: { splitK: 3 } }),
    few('in_parts_stored_out_in', {
      rows: 'M',
      cols: 28,
      segments: concat(76, 28, 8, 'f32', true),
      M: 5,
      epilogue: { scale: -2 },
      schedule: { splitK: 2 },
    }),
    few('many_adapters', { rows: 'M', cols: 12, segments: adapted(36), M: 21 }),
    few('half', { rows: 'M', cols: 28, segments: concat(76, 28, 4, 'f16'), M: 3 }),
  ];
}
