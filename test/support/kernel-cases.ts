import type { UnitType } from '../../src/backends/kernel/ir/units.js';
import { type Bound, type Memory, runLaunch } from '../../src/backends/kernel/model/by-definition.js';
import type {
  Epilogue,
  Extent,
  KernelDtype,
  Launch,
  Operand,
  Product,
  Segment,
  TileSchedule,
} from '../../src/backends/kernel/model/types.js';
import { dense, flipped, plain } from '../../src/backends/kernel/plan/launches.js';
import { fromBf16, fromF16, toBf16, toF16 } from '../../src/ir/half.js';
import { tf32 } from './kernel-sim/units.js';

/** A launch with contents for its buffers; `expected` is what a float64 run by definition leaves in the written buffer. */
export interface KernelCase {
  readonly name: string;
  readonly launch: Launch;
  readonly bound: Readonly<Record<string, number>>;
  readonly buffers: Readonly<Record<string, Float32Array | Uint32Array>>;
  readonly out: string;
  readonly expected: Float64Array;
}

const SMALL: TileSchedule = { BM: 8, BN: 8, BK: 4, TM: 2, TN: 2, vec: 1, stages: 1, warps: 0, splitK: 1 };

/** Numbers between -1 and 1 that differ and are not zero. */
export function values(count: number, seed: number): Float32Array {
  let state = seed * 7919 + 17;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.fround((state / 2 ** 32) * 1.9 - 0.95) || 0.5;
  });
}

export type Made = Partial<Pick<Product, 'chain' | 'widen'>> & {
  readonly rows: Extent;
  readonly cols: number;
  readonly segments: readonly Segment[];
  readonly M: number;
  readonly epilogue?: Partial<Epilogue>;
  readonly schedule?: Partial<TileSchedule>;
  readonly outCols?: number;
  /** first element of the result in its buffer */
  readonly outOffset?: number;
  /** rows that have one adapter, of several */
  readonly rowBlock?: number;
  /** elements between the rows of a result that is not cut into parts */
  readonly gap?: number;
  /** operands are rounded to this before they are multiplied */
  readonly unit?: UnitType;
  /** of results; float32 where it is absent */
  readonly outType?: KernelDtype;
};

export function make(name: string, made: Made): KernelCase {
  const {
    rows,
    cols,
    segments,
    M,
    epilogue,
    schedule,
    outCols,
    outOffset = 3,
    gap = 2,
    rowBlock = 8,
    unit,
    outType = 'f32',
    ...rest
  } = made;
  const tiles = { ...SMALL, ...schedule };
  const width = outCols ?? cols;
  const parts = tiles.splitK;
  const count = typeof rows === 'number' ? rows : M;
  // a hole before the first element, and between rows where the result is not cut into parts
  const out =
    parts > 1
      ? dense('y', outType, rows, width, outOffset)
      : { ...dense('y', outType, rows, width, outOffset), rowStride: width + gap };
  const work: Product = {
    kind: 'product',
    rows,
    cols,
    segments,
    out,
    parts,
    ...(unit === 'tf32' || unit === 'tf32x3' ? { rounding: unit } : {}),
    epilogue: { scale: 1, accumulate: false, ...epilogue },
    ...rest,
  };
  const predicted = { flops: 0, bytes: 0, seconds: 0 };
  const launch: Launch = {
    name,
    family: 'gemm',
    schedule: tiles,
    work,
    predicted,
    does: name.replaceAll('_', ' '),
  };
  return filled(
    name,
    launch,
    { M, rowBlock, rowBlocks: Math.ceil(M / rowBlock) },
    'y',
    outOffset + parts * count * (width + gap),
    unit,
  );
}

export const ROUND: Readonly<Record<KernelDtype | UnitType, (value: number) => number>> = {
  f32: (value) => value,
  f16: (value) => fromF16(toF16(value)),
  bf16: (value) => fromBf16(toBf16(value)),
  tf32,
  tf32x3: (value) => value,
};

/** Fills every buffer that the launch mentions; the output is poisoned unless it is added to. */
function filled(
  name: string,
  launch: Launch,
  bound: Readonly<Record<string, number>>,
  out: string,
  outSize: number,
  unit?: UnitType,
): KernelCase {
  const work = launch.work as Product;
  const n = (extent: Extent) => (typeof extent === 'number' ? extent : bound[extent]!);
  const buffers: Record<string, Float32Array | Uint32Array> = {};
  const operands = [
    ...work.segments.flatMap(({ a, b }) => [a, b]),
    ...(work.chain ? [work.chain] : []),
    ...(work.widen ? [work.widen.down, work.widen.up] : []),
    ...(work.epilogue.residual ? [plain(work.epilogue.residual)] : []),
  ];
  for (const [index, { matrix, perRowBlock }] of operands.entries()) {
    const one = matrix.offset + n(matrix.rows) * n(matrix.rowStride);
    buffers[matrix.buffer] ??= values(
      one + (perRowBlock ? perRowBlock.stride * perRowBlock.count : 0),
      index + 3,
    ).map(ROUND[matrix.dtype]);
    if (perRowBlock) {
      buffers[perRowBlock.table] = Uint32Array.from(
        { length: bound.rowBlocks! },
        (_, at) => (at * 5 + 1) % perRowBlock.count,
      );
    }
  }
  const { bias, accumulate } = work.epilogue;
  if (bias) buffers[bias.buffer] = values(bias.offset + n(work.cols), 99);
  buffers[out] = accumulate ? values(outSize, 51) : new Float32Array(outSize).fill(Number.NaN);
  const memory: Memory = new Map(
    Object.entries(buffers).map(([key, data]) => [key, Float64Array.from(data)]),
  );
  const multiplied = new Set(work.segments.flatMap(({ a, b }) => [a.matrix.buffer, b.matrix.buffer]));
  if (unit) for (const name of multiplied) memory.set(name, memory.get(name)!.map(ROUND[unit]));
  runLaunch(launch, memory, bound as unknown as Bound);
  return { name, launch, bound, buffers, out, expected: memory.get(out)! };
}

const mat = (name: string, rows: Extent, cols: number, transposed = false): Operand =>
  transposed ? flipped(dense(name, 'f32', cols, rows)) : plain(dense(name, 'f32', rows, cols));

/** The operands of a segment in a type; either may be stored as its transpose, or in f32 after all. */
export function typedSegment(
  [a, b]: readonly [a: string, b: string],
  [rows, inner, cols]: readonly [rows: Extent, inner: Extent, cols: Extent],
  dtype: KernelDtype,
  how: { readonly a?: boolean; readonly b?: boolean; readonly wideA?: boolean } = {},
): Segment {
  const operand = (name: string, type: KernelDtype, height: Extent, width: Extent, transposed = false) =>
    transposed ? flipped(dense(name, type, width, height)) : plain(dense(name, type, height, width));
  return {
    a: operand(a, how.wideA ? 'f32' : dtype, rows, inner, how.a),
    b: operand(b, dtype, inner, cols, how.b),
    inner,
  };
}
const segment = (
  a: string,
  b: string,
  rows: Extent,
  inner: number,
  cols: number,
  transposed = false,
): Segment => ({
  a: mat(a, rows, inner),
  b: mat(b, inner, cols, transposed),
  inner,
});

function adapters(M: number, r: number, N: number): KernelCase {
  const perRowBlock = { table: 'adapter_of', stride: r * N + 1, count: 3 };
  const own = { ...mat('l', r, N), perRowBlock };
  const segments = [segment('x', 'w', 'M', 7, N), { a: mat('p', 'M', r), b: own, inner: r }];
  return make('many_adapters', { rows: 'M', cols: N, segments, M });
}

/** Odd and prime lengths, one row, ranks from 1 to 128, lengths that tiles do not divide. */
export function kernelCases(): readonly KernelCase[] {
  const concat = (K: number, N: number, r: number) => [
    segment('x', 'w', 'M', K, N),
    segment('p', 'l', 'M', r, N),
  ];
  return [
    make('forward_17_13_11_rank_3', { rows: 'M', cols: 11, segments: concat(13, 11, 3), M: 17 }),
    make('one_row', { rows: 'M', cols: 19, segments: concat(23, 19, 1), M: 1 }),
    make('whole_tiles', { rows: 'M', cols: 16, segments: concat(8, 16, 4), M: 8 }),
    make('rank_128', { rows: 'M', cols: 9, segments: concat(7, 9, 128), M: 5 }),
    make('bias_residual_relu', {
      rows: 'M',
      cols: 11,
      segments: concat(5, 11, 2),
      M: 9,
      epilogue: {
        scale: 0.75,
        bias: { buffer: 'b', dtype: 'f32', offset: 2 },
        residual: dense('before', 'f32', 'M', 11, 1),
        activation: 'relu',
      },
    }),
    make('dx_transposed_accumulating', {
      rows: 'M',
      cols: 13,
      segments: [segment('dy', 'w', 'M', 11, 13, true), segment('dp', 'r', 'M', 3, 13, true)],
      M: 7,
      epilogue: { accumulate: true, scale: -2 },
    }),
    make('skinny_p', {
      rows: 'M',
      cols: 5,
      segments: [segment('x', 'r', 'M', 29, 5)],
      M: 13,
      schedule: { BM: 16, TM: 4 },
    }),
    make('token_chain', {
      rows: 'M',
      cols: 5,
      outCols: 7,
      segments: [segment('x', 'r', 'M', 19, 5)],
      chain: mat('m', 5, 7),
      M: 11,
    }),
    make('token_chain_of_many_columns', {
      rows: 'M',
      cols: 5,
      outCols: 19,
      segments: [segment('x', 'r', 'M', 7, 5)],
      chain: mat('m', 5, 19),
      M: 9,
    }),
    make('sum_over_tokens', {
      rows: 5,
      cols: 11,
      segments: [{ a: flipped(dense('p', 'f32', 'M', 5)), b: mat('dy', 'M', 11), inner: 'M' }],
      M: 23,
      schedule: { splitK: 3 },
    }),
    make('sum_over_few_tokens', {
      rows: 5,
      cols: 3,
      segments: [{ a: flipped(dense('p', 'f32', 'M', 5)), b: mat('dy', 'M', 3), inner: 'M' }],
      M: 2,
      schedule: { splitK: 4 },
    }),
    make('fold_rank', {
      rows: 7,
      cols: 13,
      segments: [segment('m', 'l', 7, 7, 13)],
      M: 1,
      epilogue: { scale: 1.5 },
    }),
    make('widened', {
      rows: 'M',
      cols: 17,
      segments: [segment('x', 'w', 'M', 13, 17)],
      widen: { rank: 3, scale: 0.5, down: mat('r', 13, 3), up: mat('l', 3, 17) },
      M: 5,
    }),
    adapters(21, 3, 11),
  ];
}

/** A case with every f32 buffer in float16: its contents rounded, and what float64 makes of these. */
export function inHalf(one: KernelCase): KernelCase {
  const buffers = Object.fromEntries(
    Object.entries(one.buffers).map(([name, data]) => [
      name,
      data instanceof Uint32Array ? data : data.map(ROUND.f16),
    ]),
  );
  const memory: Memory = new Map(
    Object.entries(buffers).map(([key, data]) => [key, Float64Array.from(data)]),
  );
  runLaunch(one.launch, memory, one.bound as unknown as Bound);
  return { ...one, buffers, expected: memory.get(one.out)! };
}
