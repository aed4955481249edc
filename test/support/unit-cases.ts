import type { UnitType } from '../../src/backends/kernel/ir/units.js';
import type { KernelDtype, TileSchedule } from '../../src/backends/kernel/model/types.js';
import { type KernelCase, make, typedSegment as part } from './kernel-cases.js';

/** Tiles of four warps, two by two. */
const FOUR: Partial<TileSchedule> = { BM: 32, BN: 32, BK: 16, TM: 16, TN: 16, vec: 4, stages: 3, warps: 4 };
/** One warp, several units of it in both directions. */
const ONE: Partial<TileSchedule> = { BM: 32, BN: 24, BK: 32, TM: 32, TN: 24, vec: 4, stages: 2, warps: 1 };

/**
 * Products for matrix units, operands in one type: lengths that are and are not multiples of tiles and of 16 bytes, every
 * way to store an operand, segments that are stored alike and not, sums in parts, one row, ranks 1 and 3.
 */
export function unitCases(unit: UnitType): readonly KernelCase[] {
  const type: KernelDtype = unit === 'tf32' ? 'f32' : unit;
  const of = (name: string, made: Parameters<typeof make>[1]) => make(`${name}_${unit}`, { unit, ...made });
  return [
    of('copied_in_vectors', {
      rows: 'M',
      cols: 40,
      outOffset: 2,
      segments: [part(['x', 'w'], ['M', 48, 40], type), part(['p', 'l'], ['M', 8, 40], type)],
      M: 45,
      schedule: FOUR,
      epilogue: {
        scale: 0.75,
        bias: { buffer: 'bias', dtype: 'f32', offset: 2 },
        activation: 'relu',
      },
    }),
    of('odd_lengths', {
      rows: 'M',
      cols: 37,
      segments: [part(['x', 'w'], ['M', 19, 37], type), part(['p', 'l'], ['M', 3, 37], type)],
      M: 41,
      schedule: ONE,
    }),
    of('weights_stored_out_in', {
      rows: 'M',
      cols: 24,
      outOffset: 2,
      segments: [part(['x', 'w'], ['M', 40, 24], type, { b: true }), part(['p', 'l'], ['M', 16, 24], type)],
      M: 33,
      schedule: FOUR,
    }),
    of('dx_of_siblings', {
      rows: 'M',
      cols: 23,
      segments: [
        part(['dq', 'wq'], ['M', 17, 23], type, { b: true }),
        part(['dk', 'wk'], ['M', 24, 23], type, { b: true }),
        part(['dp', 'r'], ['M', 1, 23], type, { b: true }),
      ],
      M: 18,
      schedule: FOUR,
      epilogue: { accumulate: true, scale: -2 },
    }),
    of('sum_over_tokens_in_parts', {
      rows: 16,
      cols: 40,
      outOffset: 2,
      segments: [part(['p', 'dy'], [16, 'M', 40], type, { a: true })],
      M: 150,
      schedule: { ...ONE, BM: 16, TM: 16, BN: 40, TN: 40, splitK: 3 },
    }),
    of('parts_without_work', {
      rows: 5,
      cols: 3,
      segments: [part(['p', 'dy'], [5, 'M', 3], type, { a: true })],
      M: 5,
      schedule: { ...ONE, splitK: 4 },
    }),
    of('both_transposed', {
      rows: 21,
      cols: 35,
      segments: [part(['a', 'b'], [21, 29, 35], type, { a: true, b: true })],
      M: 1,
      schedule: FOUR,
    }),
    of('one_row_and_a_wide_operand', {
      rows: 'M',
      cols: 56,
      segments: [part(['x', 'w'], ['M', 72, 56], type, { wideA: true })],
      M: 1,
      schedule: { ...FOUR, BM: 16, BN: 64, TN: 16 },
    }),
  ];
}
