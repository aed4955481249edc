import { BaseTensor, type ByteSink, type TensorData, type TensorOrigin } from '../../ir/tensor.js';
import { ViewedTensor } from '../../ir/viewed-tensor.js';

/**
 * The data of a trained weight, as part of the model: outputs hold it themselves and never refer to the adapter file
 * that it was read from, which the next training may replace.
 */
export class TrainedTensor extends ViewedTensor {
  override readonly origin: TensorOrigin = { kind: 'computed', by: 'train' };

  constructor(source: TensorData) {
    super(source, source.shape);
  }
}

/** Bytes of a transposed matrix that are in memory at a time. */
const BAND = 16 << 20;

/** A matrix [rows, columns] as [columns, rows], made in bands of rows of the result: any size in flat memory. */
export class TransposedTensor extends BaseTensor {
  readonly origin: TensorOrigin = { kind: 'computed', by: 'transpose' };
  readonly #rowBytes: number;
  #band: { readonly from: number; readonly to: number; readonly bytes: Uint8Array } | null = null;

  /** `band`: bytes of the result that are made at once. */
  constructor(
    readonly source: TensorData,
    readonly band: number = BAND,
  ) {
    super(source.dtype, [source.shape[1]!, source.shape[0]!], source.byteLength);
    this.#rowBytes = source.byteLength / source.shape[1]!;
  }

  bytes(): Uint8Array {
    return this.slice(0, this.byteLength);
  }

  override slice(offset: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const { from, bytes } = this.#bandOf(Math.floor(at / this.#rowBytes));
      const part = bytes.subarray(at - from * this.#rowBytes, at - from * this.#rowBytes + length - done);
      out.set(part, done);
      done += part.byteLength;
    }
    return out;
  }

  override copyTo(sink: ByteSink): void {
    const rows = this.shape[0]!;
    for (let row = 0; row < rows; ) {
      const { to, bytes } = this.#bandOf(row);
      sink.write(bytes);
      row = to;
    }
  }

  /** The band that holds a row of the result; the last one is kept. */
  #bandOf(row: number): { readonly from: number; readonly to: number; readonly bytes: Uint8Array } {
    const held = this.#band;
    if (held && row >= held.from && row < held.to) return held;
    const [columns, rows] = this.shape as [number, number];
    const height = Math.max(1, Math.floor(this.band / this.#rowBytes));
    const from = Math.floor(row / height) * height;
    const to = Math.min(from + height, columns);
    const width = this.#rowBytes / rows;
    const bytes = new Uint8Array((to - from) * this.#rowBytes);
    for (let i = 0; i < rows; i++) {
      const strip = this.source.slice((i * columns + from) * width, (to - from) * width);
      for (let j = 0; j < to - from; j++) {
        for (let k = 0; k < width; k++) bytes[j * this.#rowBytes + i * width + k] = strip[j * width + k]!;
      }
    }
    this.#band = { from, to, bytes };
    return this.#band;
  }
}
