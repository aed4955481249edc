import { byteLengthOf } from '../../ir/dtype.js';
import { elementCount } from '../../ir/shape.js';
import { BaseTensor, type ByteSink, type TensorData, type TensorOrigin } from '../../ir/tensor.js';

/** Bytes of the packed matrix that are in memory at a time. */
const BLOCK = 1 << 22;

/** Columns `from` up to `to` of a stored matrix, read when they are asked for, a block of rows at a time. */
export class Columns extends BaseTensor {
  readonly origin: TensorOrigin = { kind: 'computed', by: 'columns' };

  /** Throws for types of less than a byte, whose columns need not begin at one. */
  constructor(
    readonly packed: TensorData,
    readonly from: number,
    readonly to: number,
  ) {
    const shape = [packed.shape[0]!, to - from];
    const length = byteLengthOf(packed.dtype, elementCount(shape));
    if (length === null || !Number.isInteger(packed.byteLength / elementCount(packed.shape))) {
      throw new Error(`columns of a ${packed.dtype} matrix cannot be told apart by bytes`);
    }
    super(packed.dtype, shape, length);
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.byteLength);
    let done = 0;
    this.copyTo({
      write: (chunk) => {
        all.set(chunk, done);
        done += chunk.byteLength;
      },
    });
    return all;
  }

  override copyTo(sink: ByteSink): void {
    const [rows, columns] = this.packed.shape as [number, number];
    const width = this.packed.byteLength / (rows * columns);
    const stride = columns * width;
    const [begin, end] = [this.from * width, this.to * width];
    const step = Math.max(1, Math.floor(BLOCK / stride));
    for (let top = 0; top < rows; top += step) {
      const count = Math.min(step, rows - top);
      const block = this.packed.slice(top * stride, count * stride);
      const part = new Uint8Array(count * (end - begin));
      for (let row = 0; row < count; row++) {
        part.set(block.subarray(row * stride + begin, row * stride + end), row * (end - begin));
      }
      sink.write(part);
    }
  }
}
