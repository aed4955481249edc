import { elementOf, type UnitType } from '../../src/backends/kernel/ir/units.js';
import { type Memory, runLaunch } from '../../src/backends/kernel/model/by-definition.js';
import type {
  KernelDtype,
  Launch,
  MatrixRef,
  Packed,
  Product,
  TileSchedule,
} from '../../src/backends/kernel/model/types.js';
import { CODE_TABLES, type CodeTable } from '../../src/ir/ops/core/code-tables.js';
import { type KernelCase, make, typedSegment as part, ROUND, values } from './kernel-cases.js';
import { codeOf, unpacked } from './kernel-sim/units.js';

/** How a weight is packed; the type of its zero points, or none. */
export interface Packing {
  readonly bits: 4 | 8;
  /** codes of a table; their rows are whole blocks */
  readonly table?: CodeTable;
  readonly block: number;
  readonly scales: KernelDtype;
  readonly zeros: KernelDtype | 'u8' | null;
  /** outputs of the layers of a model: an odd number unless given */
  readonly out?: number;
}

/** A packed weight (rows, cols) as ONNX Runtime stores it, and its numbers in f32. */
export interface PackedData {
  readonly bytes: Uint8Array;
  readonly scales: Float32Array;
  readonly zeros: Float32Array | Uint8Array | null;
  readonly numbers: readonly number[];
}

/** A made weight: bytes that differ, blocks that are filled up with what must not be seen, scales and zero points of every block. */
export function packedData(rows: number, cols: number, how: Packing, seed: number): PackedData {
  const { bits, block } = how;
  const blocks = Math.ceil(cols / block);
  const bytes = Uint8Array.from(
    { length: (rows * blocks * block * bits) / 8 },
    (_, at) => (at * 71 + (at >> 3) * 29 + 13 * seed) % 256,
  );
  const scales = values(rows * blocks, seed).map((value) =>
    ROUND[how.scales](0.4 * Math.abs(value) * 2 ** -bits + 0.01),
  );
  const range = 2 ** bits;
  const points = Array.from({ length: rows * blocks }, (_, at) => (at * 5 + seed) % range);
  const rowBytes = Math.ceil((blocks * bits) / 8);
  const packed = new Uint8Array(rows * rowBytes);
  for (const [at, point] of points.entries()) {
    const [row, own] = [Math.floor(at / blocks), at % blocks];
    packed[row * rowBytes + Math.floor((own * bits) / 8)]! |= point << ((own * bits) % 8);
  }
  const { zeros } = how;
  // zero points in the type of the scales need not be whole
  const floats = Float32Array.from(points, (point) =>
    ROUND[zeros === 'u8' ? 'f32' : (zeros ?? 'f32')](point + 0.25),
  );
  const zeroAt = (at: number) => (zeros === null ? range / 2 : zeros === 'u8' ? points[at]! : floats[at]!);
  const words = wordsOf(bytes);
  const each = 32 / bits;
  const numbers = Array.from({ length: rows * cols }, (_, at) => {
    const [row, col] = [Math.floor(at / cols), at % cols];
    const own = row * blocks + Math.floor(col / block);
    const place = row * blocks * block + col;
    const word = words[Math.floor(place / each)]!;
    if (how.table)
      return Math.fround(Math.fround(CODE_TABLES[how.table][codeOf(word, place % each)]!) * scales[own]!);
    return unpacked(word, bits, place % each, zeroAt(own), scales[own]!);
  });
  return { bytes, scales, zeros: zeros === null ? null : zeros === 'u8' ? packed : floats, numbers };
}

/** Bytes as words, the lowest byte first. */
const wordsOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Uint32Array =>
  Uint32Array.from({ length: byteLength / 4 }, (_, at) =>
    new DataView(buffer, byteOffset).getUint32(4 * at, true),
  );

/** The case with these second operands packed; what it should give follows from their numbers, rounded to what is multiplied. */
function packing(
  one: KernelCase,
  names: readonly string[],
  how: Packing,
  round: (value: number) => number,
): KernelCase {
  const work = one.launch.work as Product;
  const buffers = { ...one.buffers };
  const multiplied = new Set(work.segments.flatMap(({ a, b }) => [a.matrix.buffer, b.matrix.buffer]));
  const memory: Memory = new Map(
    Object.entries(one.buffers).map(([name, data]) => [
      name,
      Float64Array.from(multiplied.has(name) ? data.map(round) : data),
    ]),
  );
  const matrixOf = (matrix: MatrixRef): MatrixRef => {
    const { buffer } = matrix;
    if (!names.includes(buffer)) return matrix;
    const data = packedData(Number(matrix.rows), Number(matrix.cols), how, buffer.charCodeAt(0));
    memory.set(buffer, Float64Array.from(data.numbers, round));
    buffers[buffer] = wordsOf(data.bytes);
    buffers[`${buffer}_scales`] = data.scales;
    if (data.zeros)
      buffers[`${buffer}_zeros`] =
        data.zeros instanceof Uint8Array ? Uint32Array.from(data.zeros) : data.zeros;
    const packed: Packed = {
      bits: how.bits,
      table: how.table ?? null,
      block: how.block,
      scales: { buffer: `${buffer}_scales`, dtype: how.scales, offset: 0 },
      zeros: how.zeros && { buffer: `${buffer}_zeros`, dtype: how.zeros, offset: 0 },
    };
    return { ...matrix, packed };
  };
  const segments = work.segments.map(({ a, b, inner }) => ({
    a,
    b: { ...b, matrix: matrixOf(b.matrix) },
    inner,
  }));
  const launch: Launch = { ...one.launch, work: { ...work, segments } };
  // on numbers that are unpacked
  runLaunch(launch, memory, one.bound as { M: number });
  return { ...one, launch, buffers, expected: memory.get(one.out)! };
}

/** Tiles of four warps, two by two. */
const FOUR: Partial<TileSchedule> = { BM: 32, BN: 32, BK: 32, TM: 16, TN: 16, vec: 4, stages: 3, warps: 4 };
/** Eight by eight invocations without matrix units. */
const LANES: Partial<TileSchedule> = { BM: 16, BN: 16, BK: 16, TM: 2, TN: 2, warps: 0, stages: 1 };
/** And in a ring, whose rows of tiles have words of 16 bytes: copied, or through registers. */
const RING: Partial<TileSchedule> = { BM: 16, BN: 32, BK: 32, TM: 4, TN: 4, vec: 4, warps: 0, stages: 3 };
const STAGED: Partial<TileSchedule> = { ...RING, stages: 2, staged: true };

/**
 * Products with packed second operands in one type, null: float32 on CUDA cores. Both ways to read the weight (forward, and dx over
 * two layers), sums in parts, lengths that blocks do not divide and odd numbers of outputs and of blocks; 4 and 8 bits, without
 * zero points and with packed and plain ones, blocks of which one, two and four words are loaded at once.
 */
export const packedCases = (unit: UnitType | null): readonly KernelCase[] =>
  packedProducts(unit ?? 'f32', unit, unit === null ? LANES : FOUR);

/** The same without matrix units, in a ring: of float32 that is copied, or operands in one type that come through registers. */
export const packedRingCases = (type: KernelDtype | 'copied'): readonly KernelCase[] =>
  packedProducts(`ring_${type}`, null, type === 'copied' ? RING : STAGED, type === 'copied' ? 'f32' : type);

function packedProducts(
  suffix: string,
  unit: UnitType | null,
  schedule: Partial<TileSchedule>,
  type: KernelDtype = unit === null ? 'f32' : elementOf(unit),
): readonly KernelCase[] {
  const of = (name: string, names: readonly string[], how: Packing, made: Parameters<typeof make>[1]) =>
    packing(
      make(`packed_${name}_${suffix}`, {
        ...(unit ? { unit } : {}),
        ...made,
        schedule: { ...schedule, ...made.schedule },
      }),
      names,
      how,
      ROUND[unit ?? 'f32'],
    );
  return [
    of(
      'forward',
      ['w'],
      { bits: 4, block: 32, scales: 'f32', zeros: 'u8' },
      {
        rows: 'M',
        cols: 37,
        segments: [part(['x', 'w'], ['M', 83, 37], type, { b: true }), part(['p', 'l'], ['M', 3, 37], type)],
        M: 41,
        epilogue: { scale: 0.75, bias: { buffer: 'bias', dtype: 'f32', offset: 2 } },
      },
    ),
    of(
      'forward_small_blocks',
      ['w'],
      { bits: 4, block: 16, scales: 'f16', zeros: null },
      {
        rows: 'M',
        cols: 33,
        segments: [part(['x', 'w'], ['M', 40, 33], type, { b: true })],
        M: 5,
      },
    ),
    of(
      'forward_in_parts',
      ['w'],
      { bits: 8, block: 32, scales: 'bf16', zeros: 'u8' },
      {
        rows: 'M',
        cols: 19,
        segments: [part(['x', 'w'], ['M', 150, 19], type, { b: true })],
        M: 7,
        schedule: { splitK: 3 },
      },
    ),
    of(
      'dx_of_siblings',
      ['w', 'v'],
      { bits: 4, block: 64, scales: 'f16', zeros: 'f16' },
      {
        rows: 'M',
        cols: 90,
        segments: [
          part(['dq', 'w'], ['M', 17, 90], type),
          part(['dk', 'v'], ['M', 35, 90], type),
          part(['dp', 'r'], ['M', 3, 90], type, { b: true }),
        ],
        M: 33,
        epilogue: { accumulate: true, scale: -2 },
      },
    ),
    of(
      'forward_of_codes',
      ['w'],
      { bits: 4, table: 'nf4', block: 16, scales: 'f32', zeros: null },
      {
        rows: 'M',
        cols: 35,
        segments: [part(['x', 'w'], ['M', 80, 35], type, { b: true }), part(['p', 'l'], ['M', 5, 35], type)],
        M: 23,
        epilogue: { scale: 0.75, bias: { buffer: 'bias', dtype: 'f32', offset: 2 } },
      },
    ),
    of(
      'dx_of_codes',
      ['w'],
      { bits: 4, table: 'fp4', block: 32, scales: 'f16', zeros: null },
      {
        rows: 'M',
        cols: 96,
        segments: [
          part(['dy', 'w'], ['M', 21, 96], type),
          part(['dp', 'r'], ['M', 3, 96], type, { b: true }),
        ],
        M: 19,
      },
    ),
    of(
      'dx_of_bytes',
      ['w'],
      { bits: 8, block: 16, scales: 'f32', zeros: null },
      {
        rows: 'M',
        cols: 72,
        segments: [
          part(['dy', 'w'], ['M', 40, 72], type),
          part(['dp', 'r'], ['M', 8, 72], type, { b: true }),
        ],
        M: 18,
      },
    ),
  ];
}

/** Forward and dx of layers whose lengths are multiples of 16 bytes everywhere. */
export function evenPackedCases(type: KernelDtype): readonly KernelCase[] {
  const of = (name: string, how: Packing, b: boolean) =>
    packing(
      make(`even_${name}_${type}`, {
        rows: 'M',
        cols: 256,
        segments: [
          part(['x', 'w'], ['M', 192, 256], type, { b }),
          part(['p', 'l'], ['M', 16, 256], type, { b }),
        ],
        M: 40,
        ...(type === 'f32' ? {} : { unit: type }),
        outType: type,
        outOffset: 8,
        gap: 8,
        schedule: FOUR,
      }),
      ['w'],
      how,
      ROUND[type],
    );
  return [
    of('forward', { bits: 4, block: 32, scales: type, zeros: 'u8' }, true),
    of('dx', { bits: 4, block: 128, scales: type, zeros: null }, false),
    of('forward_of_codes', { bits: 4, table: 'nf4', block: 64, scales: 'f32', zeros: null }, true),
    of('dx_of_bytes', { bits: 8, block: 32, scales: type, zeros: 'u8' }, false),
  ];
}

/** Tiles in vectors of eight by eight invocations, and few rows: 4 invocations along the columns, 8 along the inner dimension. */
const VECTORS: Partial<TileSchedule> = { ...LANES, TM: 4, TN: 4, vec: 4, pad: 4 };
const GEMV: Partial<TileSchedule> = { ...VECTORS, BM: 4, BK: 32, TM: 4, gemv: true };

/**
 * Products with packed second operands in vectors of four, in float32: whole tiles and tiles that end within a block, words along the inner
 * dimension and along the columns, packed and plain zero points and none, codes of tables, a few rows and sums of them in parts.
 */
export function packedVectorCases(): readonly KernelCase[] {
  const of = (
    name: string,
    names: readonly string[],
    how: Packing,
    { schedule, ...made }: Parameters<typeof make>[1],
  ) =>
    packing(
      make(`packed_vectors_${name}`, {
        outOffset: 4,
        gap: 4,
        ...made,
        schedule: { ...VECTORS, ...schedule },
      }),
      names,
      how,
      ROUND.f32,
    );
  const forward = (inn: number, out: number, r: number) => [
    part(['x', 'w'], ['M', inn, out], 'f32', { b: true }),
    part(['p', 'l'], ['M', r, out], 'f32'),
  ];
  const bias = { buffer: 'bias', dtype: 'f32', offset: 4 } as const;
  return [
    of(
      'forward',
      ['w'],
      { bits: 4, block: 32, scales: 'f32', zeros: 'u8' },
      { rows: 'M', cols: 36, segments: forward(84, 36, 4), M: 21, epilogue: { scale: 0.75, bias } },
    ),
    of(
      'forward_of_bytes',
      ['w'],
      { bits: 8, block: 16, scales: 'f32', zeros: 'u8' },
      { rows: 'M', cols: 20, segments: forward(44, 20, 8), M: 17 },
    ),
    of(
      'forward_of_codes',
      ['w'],
      { bits: 4, table: 'nf4', block: 16, scales: 'f32', zeros: null },
      { rows: 'M', cols: 28, segments: forward(80, 28, 4), M: 19 },
    ),
    of(
      'forward_of_long_blocks_of_codes',
      ['w'],
      { bits: 4, table: 'nf4', block: 64, scales: 'f32', zeros: null },
      { rows: 'M', cols: 28, segments: forward(192, 28, 4), M: 19, schedule: { BK: 8 } },
    ),
    of(
      'dx',
      ['w'],
      { bits: 4, block: 64, scales: 'f32', zeros: 'f32' },
      {
        rows: 'M',
        cols: 92,
        segments: [
          part(['dq', 'w'], ['M', 20, 92], 'f32'),
          part(['dp', 'r'], ['M', 4, 92], 'f32', { b: true }),
        ],
        M: 18,
        epilogue: { accumulate: true, scale: -2 },
      },
    ),
    of(
      'dx_of_long_rows',
      ['w'],
      { bits: 4, block: 32, scales: 'f32', zeros: 'u8' },
      {
        rows: 'M',
        cols: 84,
        segments: [
          part(['dy', 'w'], ['M', 36, 84], 'f32'),
          part(['dp', 'r'], ['M', 4, 84], 'f32', { b: true }),
        ],
        M: 18,
        schedule: { BN: 32 },
      },
    ),
    of(
      'few_rows_of_short_blocks',
      ['w'],
      { bits: 4, block: 16, scales: 'f32', zeros: 'u8' },
      // all rows in whole; the next case has one that is not there
      { rows: 'M', cols: 20, segments: forward(92, 20, 4), M: 2, schedule: { ...GEMV, BM: 2, TM: 2 } },
    ),
    of(
      'few_rows',
      ['w'],
      { bits: 4, block: 32, scales: 'f32', zeros: 'u8' },
      {
        rows: 'M',
        cols: 36,
        segments: forward(148, 36, 4),
        M: 3,
        epilogue: { scale: 0.75, bias },
        schedule: GEMV,
      },
    ),
    of(
      'few_rows_of_codes_in_parts',
      ['w'],
      { bits: 4, table: 'fp4', block: 32, scales: 'f32', zeros: null },
      { rows: 'M', cols: 20, segments: forward(160, 20, 8), M: 4, schedule: { ...GEMV, splitK: 2 } },
    ),
    of(
      'few_rows_of_bytes',
      ['w'],
      { bits: 8, block: 16, scales: 'f32', zeros: null },
      { rows: 'M', cols: 20, segments: forward(92, 20, 4), M: 1, schedule: { ...GEMV, BM: 1, TM: 1 } },
    ),
  ];
}

/** Warpgroups that multiply, 64 rows each, the columns of a tile, and the number of tiles in the ring. */
const groupsOf = (groups: number, BN: number, stages: number): Partial<TileSchedule> => ({
  ...{ BM: 64 * groups, BN, BK: 64, TM: 64, TN: BN, vec: 4, stages, warps: 4 * (groups + 1), splitK: 1 },
});

/**
 * Products with packed second operands for warpgroups: lengths that tiles and blocks do not divide, fewer and more tiles than a ring has, words along
 * the inner dimension and along the columns, segments that are not packed between and after them, results that threads store and that the copy engine takes.
 */
export function packedGroupCases(type: 'f16' | 'bf16'): readonly KernelCase[] {
  const of = (name: string, names: readonly string[], how: Packing, made: Parameters<typeof make>[1]) =>
    packing(make(`groups_${name}_${type}`, { unit: type, outOffset: 4, ...made }), names, how, ROUND[type]);
  return [
    of(
      'forward',
      ['w'],
      { bits: 4, block: 32, scales: 'f32', zeros: 'u8' },
      {
        rows: 'M',
        cols: 88,
        segments: [part(['x', 'w'], ['M', 200, 88], type, { b: true }), part(['p', 'l'], ['M', 8, 88], type)],
        M: 150,
        epilogue: { scale: 0.75, bias: { buffer: 'bias', dtype: 'f32', offset: 2 } },
        schedule: groupsOf(2, 64, 3),
      },
    ),
    of(
      'dx_of_siblings',
      ['w', 'v'],
      { bits: 4, block: 64, scales: type, zeros: type },
      {
        rows: 'M',
        cols: 200,
        segments: [
          part(['dq', 'w'], ['M', 136, 200], type),
          part(['dk', 'v'], ['M', 24, 200], type),
          part(['dp', 'r'], ['M', 8, 200], type, { b: true }),
        ],
        M: 65,
        epilogue: { accumulate: true, scale: -2 },
        schedule: groupsOf(1, 128, 2),
      },
    ),
    of(
      'forward_of_codes',
      ['w'],
      { bits: 4, table: 'nf4', block: 64, scales: 'f32', zeros: null },
      {
        rows: 'M',
        cols: 264,
        ...{ outType: type, outOffset: 8, gap: 8 },
        segments: [
          part(['x', 'w'], ['M', 192, 264], type, { b: true }),
          part(['p', 'l'], ['M', 16, 264], type),
        ],
        M: 70,
        schedule: groupsOf(1, 256, 2),
      },
    ),
    of(
      'dx_of_bytes',
      ['w'],
      { bits: 8, block: 16, scales: 'f32', zeros: 'u8' },
      {
        rows: 'M',
        cols: 88,
        segments: [
          part(['dy', 'w'], ['M', 72, 88], type),
          part(['dp', 'r'], ['M', 8, 88], type, { b: true }),
        ],
        M: 41,
        schedule: groupsOf(1, 64, 2),
      },
    ),
    of(
      'forward_of_bytes',
      ['w'],
      { bits: 8, block: 32, scales: type, zeros: null },
      {
        rows: 'M',
        cols: 72,
        segments: [part(['x', 'w'], ['M', 40, 72], type, { b: true })],
        M: 3,
        schedule: groupsOf(4, 128, 2),
      },
    ),
  ];
}
