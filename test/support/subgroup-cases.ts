import type { Operand, Segment, TileSchedule } from '../../src/backends/kernel/model/types.js';
import { dense, flipped, plain } from '../../src/backends/kernel/plan/launches.js';
import { type KernelCase, type Made, make, typedSegment as part } from './kernel-cases.js';

/** One row or several, results that are and are not as many as invocations. */
const LANES: TileSchedule = {
  BM: 4,
  BN: 8,
  BK: 64,
  TM: 4,
  TN: 8,
  vec: 1,
  stages: 1,
  warps: 0,
  splitK: 1,
  subgroups: true,
};

const of = (name: string, made: Made): KernelCase =>
  make(`lanes_${name}`, { ...made, schedule: { ...LANES, ...made.schedule } });

const mat = (name: string, rows: number, cols: number): Operand => plain(dense(name, 'f32', rows, cols));

const concat = (K: number, N: number, r: number): readonly Segment[] => [
  part(['x', 'w'], ['M', K, N], 'f32'),
  part(['p', 'l'], ['M', r, N], 'f32'),
];

/**
 * Products of which the inner dimension is spread over subgroups: odd and prime lengths, one row, ranks from 1 to 128, stretches
 * shorter than a workgroup is wide, every way to store an operand, merged and chained launches, several adapters.
 */
export function subgroupCases(): readonly KernelCase[] {
  const perRowBlock = { table: 'adapter_of', stride: 3 * 11 + 1, count: 3 };
  return [
    of('one_row', { rows: 'M', cols: 19, segments: concat(131, 19, 1), M: 1, schedule: { BM: 1, TM: 1 } }),
    of('few_rows', { rows: 'M', cols: 13, segments: concat(67, 13, 5), M: 3 }),
    of('rank_128', { rows: 'M', cols: 9, segments: concat(7, 9, 128), M: 5 }),
    of('p_rank_1', { rows: 'M', cols: 1, segments: [part(['x', 'r'], ['M', 197, 1], 'f32')], M: 7 }),
    of('p_rank_128', { rows: 'M', cols: 128, segments: [part(['x', 'r'], ['M', 73, 128], 'f32')], M: 2 }),
    of('p_rank_17_in_tiles', {
      rows: 'M',
      cols: 17,
      segments: [part(['x', 'r'], ['M', 101, 17], 'f32')],
      M: 11,
      // two tiles of columns to a workgroup, more results than invocations
      schedule: { BM: 8, TM: 8, BN: 16, TN: 8, BK: 32 },
    }),
    of('whole_lengths', { rows: 'M', cols: 16, segments: concat(128, 16, 8), M: 8 }),
    of('weights_stored_out_in', {
      rows: 'M',
      cols: 11,
      segments: [part(['x', 'w'], ['M', 83, 11], 'f32', { b: true }), part(['p', 'l'], ['M', 3, 11], 'f32')],
      M: 1,
      schedule: { BM: 1, TM: 1, BN: 4, TN: 4 },
      epilogue: {
        scale: 0.75,
        bias: { buffer: 'b', dtype: 'f32', offset: 2 },
        residual: dense('before', 'f32', 'M', 11, 1),
        activation: 'relu',
      },
    }),
    of('dp_of_siblings', {
      rows: 'M',
      cols: 3,
      segments: [
        part(['dq', 'lq'], ['M', 37, 3], 'f32', { b: true }),
        part(['dk', 'lk'], ['M', 71, 3], 'f32', { b: true }),
      ],
      M: 6,
      epilogue: { accumulate: true, scale: -2 },
    }),
    of('both_transposed', {
      rows: 5,
      cols: 7,
      segments: [{ a: flipped(dense('a', 'f32', 29, 5)), b: flipped(dense('b', 'f32', 7, 29)), inner: 29 }],
      M: 1,
    }),
    of('merged_launch', {
      rows: 'M',
      cols: 29,
      segments: [part(['x', 'w'], ['M', 79, 29], 'f32')],
      widen: { rank: 3, scale: 0.5, down: mat('r', 79, 3), up: mat('l', 3, 29) },
      M: 3,
      schedule: { BM: 1, TM: 1, BN: 24, TN: 8 },
    }),
    of('merged_launch_rank_13', {
      rows: 'M',
      cols: 11,
      segments: [part(['x', 'w'], ['M', 31, 11], 'f32')],
      widen: { rank: 13, scale: 1, down: mat('r', 31, 13), up: mat('l', 13, 11) },
      M: 5,
      schedule: { BM: 2, TM: 2, BN: 104, TN: 4, BK: 32 },
    }),
    of('token_chain', {
      rows: 'M',
      cols: 5,
      outCols: 19,
      segments: [part(['x', 'r'], ['M', 47, 5], 'f32')],
      chain: mat('m', 5, 19),
      M: 9,
      epilogue: { scale: 1.5 },
    }),
    of('many_adapters', {
      rows: 'M',
      cols: 11,
      segments: [
        part(['x', 'w'], ['M', 43, 11], 'f32'),
        { ...part(['p', 'l'], ['M', 3, 11], 'f32'), b: { ...mat('l', 3, 11), perRowBlock } },
      ],
      M: 21,
    }),
  ];
}
