import { elementOf, type UnitType } from '../../src/backends/kernel/ir/units.js';
import type { KernelDtype, TileSchedule } from '../../src/backends/kernel/model/types.js';
import { type KernelCase, type Made, make, typedSegment as part } from './kernel-cases.js';

/** Tiles of matrix units: of four warps, two by two; one warp, several units of it in both directions; all rows, and few. */
const UNITS = {
  four: { BM: 32, BN: 32, BK: 16, TM: 16, TN: 16, vec: 4, stages: 3, warps: 4 },
  one: { BM: 32, BN: 24, BK: 32, TM: 32, TN: 24, vec: 4, stages: 2, warps: 1 },
  flat: { BM: 16, BN: 40, BK: 32, TM: 16, TN: 40, vec: 4, stages: 2, warps: 1 },
  wide: { BM: 16, BN: 64, BK: 16, TM: 16, TN: 16, vec: 4, stages: 3, warps: 4 },
} as const;
/** Tiles of CUDA cores, with vectors along the columns once and twice, and rows of 64, 128 and 32 bytes. */
const CORES = {
  four: { BM: 32, BN: 32, BK: 16, TM: 4, TN: 4, vec: 4, stages: 3, warps: 0 },
  one: { BM: 32, BN: 64, BK: 32, TM: 8, TN: 8, vec: 4, stages: 2, warps: 0 },
  flat: { BM: 16, BN: 32, BK: 8, TM: 4, TN: 4, vec: 4, stages: 4, warps: 0 },
  wide: { BM: 16, BN: 64, BK: 16, TM: 2, TN: 8, vec: 4, stages: 3, warps: 0 },
} as const;

/**
 * Products whose tiles pass through a ring, for matrix units or (f32) CUDA cores, operands in one type: lengths that are and are not multiples of tiles and of 16 bytes, every
 * way to store an operand, segments that are stored alike and not, sums in parts, one row, ranks 1 and 3.
 */
export function unitCases(unit: UnitType | 'f32'): readonly KernelCase[] {
  const type = unit === 'f32' ? unit : elementOf(unit);
  return ringCases(type, unit === 'f32' ? CORES : UNITS, (name, made) =>
    make(`${name}_${unit}`, { ...(unit === 'f32' ? {} : { unit }), ...made }),
  );
}

/** The same products with tiles of float32 that come through registers, whatever the operands are. */
export const stagedCases = (type: KernelDtype): readonly KernelCase[] =>
  ringCases(type, CORES, (name, made) =>
    make(`${name}_staged_${type}`, { ...made, schedule: { ...made.schedule, stages: 2, staged: true } }),
  );

type Tiles = Readonly<Record<keyof typeof CORES, Partial<TileSchedule>>>;

function ringCases(
  type: KernelDtype,
  { four, one, flat, wide }: Tiles,
  of: (name: string, made: Made) => KernelCase,
): readonly KernelCase[] {
  return [
    of('copied_in_vectors', {
      rows: 'M',
      cols: 40,
      outOffset: 2,
      segments: [part(['x', 'w'], ['M', 48, 40], type), part(['p', 'l'], ['M', 8, 40], type)],
      M: 45,
      schedule: four,
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
      schedule: one,
    }),
    of('weights_stored_out_in', {
      rows: 'M',
      cols: 24,
      outOffset: 2,
      segments: [part(['x', 'w'], ['M', 40, 24], type, { b: true }), part(['p', 'l'], ['M', 16, 24], type)],
      M: 33,
      schedule: four,
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
      schedule: four,
      epilogue: { accumulate: true, scale: -2 },
    }),
    of('sum_over_tokens_in_parts', {
      rows: 16,
      cols: 40,
      outOffset: 2,
      segments: [part(['p', 'dy'], [16, 'M', 40], type, { a: true })],
      M: 150,
      schedule: { ...flat, splitK: 3 },
    }),
    of('parts_without_work', {
      rows: 5,
      cols: 3,
      segments: [part(['p', 'dy'], [5, 'M', 3], type, { a: true })],
      M: 5,
      schedule: { ...one, splitK: 4 },
    }),
    of('both_transposed', {
      rows: 21,
      cols: 35,
      segments: [part(['a', 'b'], [21, 29, 35], type, { a: true, b: true })],
      M: 1,
      schedule: four,
    }),
    of('one_row_and_a_wide_operand', {
      rows: 'M',
      cols: 56,
      segments: [part(['x', 'w'], ['M', 72, 56], type, { wideA: true })],
      M: 1,
      schedule: wide,
    }),
  ];
}
