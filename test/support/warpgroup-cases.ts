import type { WarpgroupType } from '../../src/backends/kernel/ir/warpgroups.js';
import type { Extent, MatrixRef, Segment, TileSchedule } from '../../src/backends/kernel/model/types.js';
import { type KernelCase, make, typedSegment as part } from './kernel-cases.js';

/** The number of warpgroups that multiply, the columns of a tile, and the number of tiles in the ring. */
const ring = (groups: number, BN: number, stages: number): TileSchedule => ({
  ...{ BM: 64 * groups, BN, BK: 64, TM: 64, TN: BN, vec: 4, stages, warps: 4 * (groups + 1), splitK: 1 },
});

/** The same for blocks in pairs. */
const paired = (groups: number, BN: number, stages: number): TileSchedule => ({
  ...ring(groups, BN, stages),
  pairs: true,
});

/** Columns of a wider matrix, as siblings have them of P: what is next to them must not be read. */
function within(segment: Segment, offset: number, rowStride: number): Segment {
  const matrix: MatrixRef = { ...segment.a.matrix, offset, rowStride };
  return { ...segment, a: { ...segment.a, matrix } };
}

/**
 * Products for warpgroups in one type: lengths that tiles do not divide, fewer and more tiles than a ring has, every way to
 * store an operand, segments that are stored differently, results that threads store and that the copy engine takes, one row, all widths of a tile, one to three warpgroups;
 * in pairs of blocks: odd numbers of tiles along the rows, one of them, and several for each block.
 */
export function warpgroupCases(type: WarpgroupType): readonly KernelCase[] {
  const of = (name: string, made: Parameters<typeof make>[1]) =>
    make(`${name}_${type}`, { unit: type, ...made });
  const M: Extent = 'M';
  return [
    of('forward', {
      rows: M,
      cols: 88,
      outOffset: 4,
      segments: [part(['x', 'w'], [M, 200, 88], type), within(part(['p', 'l'], [M, 8, 88], type), 16, 40)],
      M: 150,
      schedule: ring(2, 64, 3),
      epilogue: { scale: 0.75, bias: { buffer: 'bias', dtype: 'f32', offset: 2 }, activation: 'relu' },
    }),
    of('weights_stored_out_in', {
      rows: M,
      cols: 136,
      segments: [part(['x', 'w'], [M, 72, 136], type, { b: true }), part(['p', 'l'], [M, 16, 136], type)],
      M: 41,
      schedule: ring(1, 128, 2),
    }),
    of('dx_of_siblings', {
      rows: M,
      cols: 64,
      outOffset: 4,
      segments: [
        part(['dq', 'wq'], [M, 136, 64], type, { b: true }),
        part(['dk', 'wk'], [M, 24, 64], type, { b: true }),
        part(['dp', 'r'], [M, 8, 64], type, { b: true }),
      ],
      M: 65,
      schedule: ring(2, 64, 4),
      epilogue: { accumulate: true, scale: -2 },
    }),
    of('all_ways_to_store', {
      rows: 72,
      cols: 264,
      outOffset: 4,
      segments: [
        part(['a', 'b'], [72, 80, 264], type, { a: true, b: true }),
        part(['c', 'd'], [72, 40, 264], type, { a: true }),
      ],
      M: 1,
      schedule: ring(1, 256, 2),
    }),
    of('sent', {
      rows: M,
      cols: 88,
      ...{ outType: type, outOffset: 8, gap: 8 },
      segments: [part(['x', 'w'], [M, 72, 88], type), part(['p', 'l'], [M, 16, 88], type)],
      M: 150,
      schedule: ring(2, 64, 3),
      epilogue: { scale: 0.75, bias: { buffer: 'bias', dtype: 'f32', offset: 2 }, activation: 'relu' },
    }),
    of('sent_in_boxes', {
      rows: M,
      cols: 264,
      ...{ outType: type, outOffset: 0, gap: 0 },
      segments: [part(['x', 'w'], [M, 40, 264], type)],
      M: 70,
      schedule: ring(1, 256, 2),
    }),
    of('pairs', {
      rows: M,
      cols: 136,
      ...{ outType: type, outOffset: 8, gap: 8 },
      segments: [part(['x', 'w'], [M, 136, 136], type), within(part(['p', 'l'], [M, 8, 136], type), 16, 40)],
      M: 300,
      schedule: paired(2, 128, 3),
      epilogue: { scale: 0.75, bias: { buffer: 'bias', dtype: 'f32', offset: 2 }, activation: 'relu' },
    }),
    of('pairs_for_dx_of_siblings', {
      rows: M,
      cols: 200,
      outOffset: 4,
      segments: [
        part(['dq', 'wq'], [M, 136, 200], type, { b: true }),
        part(['dk', 'wk'], [M, 24, 200], type, { b: true }),
        part(['dp', 'r'], [M, 8, 200], type, { b: true }),
      ],
      M: 41,
      schedule: paired(1, 128, 2),
      epilogue: { accumulate: true, scale: -2 },
    }),
    of('pairs_with_all_ways_to_store', {
      rows: 136,
      cols: 264,
      outOffset: 4,
      segments: [
        part(['a', 'b'], [136, 80, 264], type, { a: true, b: true }),
        part(['c', 'd'], [136, 40, 264], type, { a: true }),
      ],
      M: 1,
      schedule: paired(1, 256, 2),
    }),
    of('one_row_and_three_warpgroups', {
      rows: M,
      cols: 56,
      segments: [part(['x', 'w'], [M, 328, 56], type)],
      M: 1,
      schedule: ring(3, 64, 2),
    }),
  ];
}
