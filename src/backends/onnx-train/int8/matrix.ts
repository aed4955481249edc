import type { DType } from '../../../ir/dtype.js';
import {
  BaseTensor,
  type ByteSink,
  MemoryTensor,
  type TensorData,
  type TensorOrigin,
} from '../../../ir/tensor.js';
import { toF32, toF64 } from '../../../ir/values.js';

/** Numbers of a weight that are in memory at a time. */
const BLOCK = 1 << 18;
/** Bytes of the turned matrix that are in memory at a time. */
const TURNED = 32 << 20;
/**
 * What the codes of a pair, neighbours along the inner axis, reach at most when their signs agree, before they are rounded.
 * x86 processors without VNNI multiply 8-bit numbers by VPMADDUBSW: it adds the products of such a pair in 16 bits and
 * saturates, silently. Rounding adds at most one: (127 + 1) * 255 = 32,640 is below 32,768, so sums are exact everywhere.
 */
const LARGEST_PAIR = 127;

/**
 * A stored float matrix in 8 bits as a product reads it: [inner, outer], `turned` when it is stored as [outer, inner].
 * w = code * scale with a scale for each column: the largest sum there of two neighbours (inner 0 and 1, 2 and 3, ...), of
 * their positive or of their negative parts, divided by 127. A column with a number that is not finite has a scale that is
 * not, so that results are not finite either. Memory is flat in the size of the matrix.
 */
export class RoundedMatrix {
  readonly shape: readonly [inner: number, outer: number];
  #scales: Float32Array | null = null;

  constructor(
    readonly source: TensorData,
    readonly turned: boolean,
  ) {
    const [rows, columns] = source.shape as readonly [number, number];
    this.shape = turned ? [columns, rows] : [rows, columns];
  }

  /** One for each column. */
  scales(): Float32Array {
    if (this.#scales) return this.#scales;
    const most = new Float64Array(this.shape[1]);
    const take = (index: number, first: number, second: number): void => {
      const size = Math.max(
        Math.max(first, 0) + Math.max(second, 0),
        Math.max(-first, 0) + Math.max(-second, 0),
      );
      // a NaN stays: nothing is greater
      if (size > most[index]! || Number.isNaN(size)) most[index] = size;
    };
    this.#rows((values, from, to, columns) => {
      if (this.turned) {
        for (let row = from, at = 0; row < to; row++, at += columns)
          for (let c = 0; c < columns; c += 2)
            take(row, values[at + c]!, c + 1 < columns ? values[at + c + 1]! : 0);
        return;
      }
      // `from` is even: see #rows
      for (let row = from, at = 0; row < to; row += 2, at += 2 * columns)
        for (let c = 0; c < columns; c++)
          take(c, values[at + c]!, row + 1 < to ? values[at + columns + c]! : 0);
    });
    this.#scales = Float32Array.from(most, (size) => size / LARGEST_PAIR);
    return this.#scales;
  }

  /** Writes the codes, row by row of [inner, outer]. */
  writeCodes(sink: ByteSink): void {
    const inverse = Float64Array.from(this.scales(), (scale) => 1 / scale);
    if (this.turned) this.#writeTurned(sink, inverse);
    else {
      this.#rows((values, from, to, columns) => {
        const codes = new Int8Array((to - from) * columns);
        for (let row = from, at = 0; row < to; row++)
          for (let column = 0; column < columns; column++, at++)
            codes[at] = code(values[at]! * inverse[column]!);
        sink.write(new Uint8Array(codes.buffer));
      });
    }
  }

  /** The stored matrix is read once for each part of its columns that fits into memory, turned. */
  #writeTurned(sink: ByteSink, inverse: Float64Array): void {
    const [inner, outer] = this.shape;
    const part = Math.max(1, Math.min(inner, Math.floor(TURNED / outer)));
    for (let first = 0; first < inner; first += part) {
      const last = Math.min(first + part, inner);
      const codes = new Int8Array((last - first) * outer);
      this.#rows((values, from, to, columns) => {
        for (let column = first; column < last; column++) {
          const start = (column - first) * outer;
          for (let row = from; row < to; row++)
            codes[start + row] = code(values[(row - from) * columns + column]! * inverse[row]!);
        }
      });
      sink.write(new Uint8Array(codes.buffer));
    }
  }

  /** Calls with rows `from` to `to` of the stored matrix, all rows in order; `from` is even. */
  #rows(take: (values: ArrayLike<number>, from: number, to: number, columns: number) => void): void {
    const { dtype, shape, byteLength } = this.source;
    const [rows, columns] = shape as readonly [number, number];
    const width = byteLength / rows;
    const step = 2 * Math.max(1, Math.floor(BLOCK / 2 / columns));
    for (let from = 0; from < rows; from += step) {
      const to = Math.min(from + step, rows);
      const bytes = this.source.slice(from * width, (to - from) * width);
      const part = new MemoryTensor(dtype, [to - from, columns], bytes);
      take(dtype === 'f32' ? toF32(part) : toF64(part), from, to, columns);
    }
  }
}

function code(value: number): number {
  return Math.max(-LARGEST_PAIR, Math.min(LARGEST_PAIR, Math.round(value)));
}

/** Codes or scales of a matrix at their place in a file that is yet to be written; made again by whoever reads them. */
export class RoundedTensor extends BaseTensor {
  readonly origin: TensorOrigin;
  readonly #write: (sink: ByteSink) => void;

  constructor(
    dtype: DType,
    shape: readonly number[],
    byteLength: number,
    place: { readonly path: string; readonly offset: number },
    write: (sink: ByteSink) => void,
  ) {
    super(dtype, shape, byteLength);
    this.origin = { kind: 'file', ...place, ofModel: true };
    this.#write = write;
  }

  override copyTo(sink: ByteSink): void {
    this.#write(sink);
  }

  bytes(): Uint8Array {
    const out = new Uint8Array(this.byteLength);
    let at = 0;
    this.#write({
      write(chunk) {
        out.set(chunk, at);
        at += chunk.byteLength;
      },
    });
    return out;
  }
}
