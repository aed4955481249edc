import { type SubgroupShape, subgroupMatrix } from '../../src/backends/kernel/device/subgroup-matrices.js';
import { matrixSchedule } from '../../src/backends/kernel/device/webgpu-tiles.js';
import type { Operand, Segment, TileSchedule } from '../../src/backends/kernel/model/types.js';
import { dense, plain } from '../../src/backends/kernel/plan/launches.js';
import { type KernelCase, type Made, make, typedSegment as part } from './kernel-cases.js';

/**
 * Products for the matrices of subgroups, in the tiles of devices: rows, columns, inner dimensions and ranks that no tile divides, every
 * way to store an operand, what an epilogue does, several adapters. `halfSums`: sums are float16 within a tile.
 */
export function matrixCases(shape: SubgroupShape, halfSums = false): readonly KernelCase[] {
  const { type } = subgroupMatrix(shape);
  const tiles: TileSchedule = { ...matrixSchedule(shape), ...(halfSums ? { halfSums } : {}) };
  const of = (name: string, made: Made): KernelCase =>
    make(`matrices_${shape.replaceAll('-', '_')}_${halfSums ? 'half_' : ''}${name}`, {
      outOffset: 4,
      gap: 4,
      ...made,
      schedule: tiles,
    });
  const concat = (K: number, N: number, r: number, b = false): readonly Segment[] => [
    part(['x', 'w'], ['M', K, N], type, { b }),
    part(['p', 'l'], ['M', r, N], type),
  ];
  const perRowBlock = { table: 'adapter_of', stride: 4 * 12 + 8, count: 3 };
  const own: Operand = { ...plain(dense('l', type, 4, 12)), perRowBlock };
  return [
    of('two_tiles_down', { rows: 'M', cols: 76, segments: concat(44, 76, 4), M: 37 }),
    of('stored_out_in', {
      rows: 'M',
      cols: 28,
      segments: concat(20, 28, 12, true),
      M: 9,
      epilogue: {
        scale: 0.75,
        bias: { buffer: 'b', dtype: 'f32', offset: 8 },
        residual: dense('before', 'f32', 'M', 28, 4),
        activation: 'relu',
      },
    }),
    of('dx_accumulating', {
      rows: 'M',
      cols: 12,
      segments: [
        part(['dq', 'wq'], ['M', 20, 12], type, { b: true }),
        part(['dk', 'wk'], ['M', 36, 12], type, { b: true }),
        part(['dp', 'r'], ['M', 4, 12], type, { b: true }),
      ],
      M: 7,
      epilogue: { accumulate: true, scale: -2 },
    }),
    // results in the type of operands, as layers store them
    of('whole_tiles', { rows: 'M', cols: 64, segments: concat(32, 64, 16), M: 32, outType: type }),
    of('a_stored_the_other_way', {
      rows: 36,
      cols: 12,
      segments: [part(['a', 'b'], [36, 24, 12], type, { a: true })],
      M: 1,
    }),
    of('many_adapters', {
      rows: 'M',
      cols: 12,
      segments: [
        part(['x', 'w'], ['M', 8, 12], type),
        { a: plain(dense('p', type, 'M', 4)), b: own, inner: 4 },
      ],
      M: 70,
      rowBlock: 32,
    }),
  ];
}
