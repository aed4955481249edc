import { CODE_TABLES } from '../../ir/ops/core/code-tables.js';
import { blockSizes, packedNumber } from '../../ir/ops/core/number-blocks.js';
import type { DeviceProfile, Launch, MatrixRef, Packed, ScheduleRow } from '../kernel/model/types.js';
import { dense, flipped, plain } from '../kernel/plan/launches.js';
import { onRequest } from '../kernel/plan/schedule.js';
import { checkedLaunch } from './checked-launch.js';
import type { Check } from './record.js';

/** A product whose weight is packed, as it is checked. */
interface PackedCheck {
  /** of the packing, in words */
  readonly of: string;
  readonly form: Check['form'];
  readonly launch: Launch;
}

/**
 * Products with packed weights on a device: of whole numbers and of codes, of words along either axis, in vectors and element by element, and
 * of few rows where the device has kernels for them; words loaded by fours and one by one. Lengths are such that no tile divides them.
 */
export function packedChecks(device: DeviceProfile): readonly PackedCheck[] {
  const rows = device.tiles.filter(({ family, dtype }) => family === 'gemm' && dtype === 'f32');
  const tiles = rows.find(({ bucket, schedule }) => bucket === 'any' && !onRequest(schedule))!;
  const few = rows.find(({ schedule }) => schedule.gemv);
  const { BN } = tiles.schedule;
  const made: readonly (readonly [
    string,
    Check['form'],
    ScheduleRow | undefined,
    Lengths,
    Layout,
    boolean,
  ])[] = [
    ['4 bits', 'vectors', tiles, { cols: BN + 4, inner: 84 }, { bits: 4, block: 32, zeros: 'u8' }, true],
    ['nf4', 'vectors', tiles, { cols: BN + 4, inner: 80 }, { bits: 4, table: 'nf4' }, true],
    ['8 bits', 'vectors', tiles, { cols: BN + 4, inner: 20 }, { bits: 8, zeros: 'u8' }, false],
    ['4 bits', 'elements', tiles, { cols: BN + 3, inner: 83 }, { bits: 4 }, true],
    ['4 bits, few rows', 'vectors', few, { cols: 36, inner: 532 }, { bits: 4, block: 32, zeros: 'u8' }, true],
  ];
  return made.flatMap(([of, form, row, lengths, layout, turned]) =>
    row ? [{ of: `${of}, ${form}`, form, launch: launchOf(row, lengths, layout, turned) }] : [],
  );
}

interface Lengths {
  readonly cols: number;
  readonly inner: number;
}
interface Layout {
  readonly bits: 4 | 8;
  readonly block?: number;
  readonly table?: Packed['table'];
  readonly zeros?: 'u8';
}

/** `turned`: the weight is stored (out, in), with words along the inner dimension. */
function launchOf(
  { family, schedule }: ScheduleRow,
  { cols, inner }: Lengths,
  { bits, block = 16, table = null, zeros }: Layout,
  turned: boolean,
): Launch {
  const packed: Packed = {
    ...{ bits, table, block },
    scales: { buffer: 'scales', dtype: 'f32', offset: 0 },
    zeros: zeros ? { buffer: 'zeros', dtype: zeros, offset: 0 } : null,
  };
  const w = { ...dense('w', 'f32', turned ? cols : inner, turned ? inner : cols), packed };
  const x = plain(dense('x', 'f32', 'M', inner));
  const work = {
    kind: 'product',
    rows: 'M',
    cols,
    segments: [{ a: x, b: turned ? flipped(w) : plain(w), inner }],
    epilogue: { scale: 0.75, accumulate: false },
    out: dense('y', 'f32', 'M', cols),
    parts: 1,
  } as const;
  return checkedLaunch({ family, schedule, work }, `${family} with a packed weight`);
}

/** Contents of the buffers of a packed matrix, words as whole numbers, and the numbers that they stand for. */
export function packedContents(
  { rows, cols }: MatrixRef,
  { bits, table, block, zeros: points }: Packed,
  seed: number,
): {
  readonly words: Float64Array<ArrayBuffer>;
  readonly scales: Float64Array<ArrayBuffer>;
  readonly zeros: Float64Array<ArrayBuffer>;
  readonly numbers: Float64Array<ArrayBuffer>;
} {
  const [height, width] = [Number(rows), Number(cols)];
  const { blocks, blockBytes, zeroBytes } = blockSizes({ in: width, bits, block });
  const bytes = Uint8Array.from(
    { length: height * blocks * blockBytes },
    (_, at) => (at * 71 + (at >> 3) * 29 + seed) % 256,
  );
  const scales = Float64Array.from({ length: height * blocks }, (_, at) =>
    Math.fround((1 + (at % 5)) * 2 ** -bits * 0.1),
  );
  const zeros = Uint8Array.from({ length: height * zeroBytes }, (_, at) => (at * 37 + seed) % 256);
  const numbers = Float64Array.from({ length: height * width }, (_, at) => {
    const [row, col] = [Math.floor(at / width), at % width];
    const [own, from] = [row * blocks + Math.floor(col / block), row * blocks * blockBytes];
    if (table)
      return Math.fround(CODE_TABLES[table][packedNumber(bytes, from, col ^ 1, bits)]!) * scales[own]!;
    const zero = points
      ? packedNumber(zeros, row * zeroBytes, Math.floor(col / block), bits)
      : 2 ** (bits - 1);
    return (packedNumber(bytes, from, col, bits) - zero) * scales[own]!;
  });
  const view = new DataView(bytes.buffer);
  return {
    words: Float64Array.from({ length: bytes.length / 4 }, (_, at) => view.getUint32(4 * at, true)),
    scales,
    zeros: Float64Array.from(zeros),
    numbers,
  };
}
