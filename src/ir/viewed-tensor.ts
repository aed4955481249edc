import { byteLengthOf, type DType } from './dtype.js';
import { elementCount } from './shape.js';
import { BaseTensor, type ByteSink, type TensorData, type TensorOrigin } from './tensor.js';

/** The bytes of another tensor, read with another shape or element type: no copy, and where the file lies is still known. */
export class ViewedTensor extends BaseTensor {
  override readonly origin: TensorOrigin;

  /** Throws when the bytes are not as many as type and shape ask for. */
  constructor(
    readonly source: TensorData,
    shape: readonly number[],
    dtype: DType = source.dtype,
  ) {
    const wanted = byteLengthOf(dtype, elementCount(shape));
    if (wanted !== null && wanted !== source.byteLength) {
      throw new Error(`${dtype}[${shape.join(',')}] needs ${wanted} bytes, got ${source.byteLength}`);
    }
    super(dtype, shape, source.byteLength);
    this.origin = source.origin;
  }

  bytes(): Uint8Array {
    return this.source.bytes();
  }

  override slice(offset: number, length: number): Uint8Array {
    return this.source.slice(offset, length);
  }

  override copyTo(sink: ByteSink): void {
    this.source.copyTo(sink);
  }
}
