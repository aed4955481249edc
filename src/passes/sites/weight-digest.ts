import { LotrcError } from '../../ir/diagnostics.js';
import { sampledDigest } from '../../ir/digest.js';
import { byteLengthOf } from '../../ir/dtype.js';
import { elementCount } from '../../ir/shape.js';
import { StridedTensor } from '../../ir/strided-tensor.js';
import type { TensorData } from '../../ir/tensor.js';

/** Reads a few bytes at a place of a tensor. */
export type Peek = (offset: number, length: number) => Uint8Array;

/**
 * How to look at parts of a tensor: positioned reads where the data lies in a file or in another tensor, else the bytes once. Null when the
 * data is not there (stripped, or its external file is missing): planning then goes on without it.
 */
export function peekInto(tensor: TensorData): Peek | null {
  if (byteLengthOf(tensor.dtype, elementCount(tensor.shape)) !== tensor.byteLength) return null;
  try {
    if (tensor.origin.kind === 'file' || tensor instanceof StridedTensor) {
      tensor.slice(0, Math.min(1, tensor.byteLength));
      return (offset, length) => tensor.slice(offset, length);
    }
    const all = tensor.bytes();
    return (offset, length) => all.subarray(offset, offset + length);
  } catch (error) {
    if (error instanceof LotrcError) return null;
    throw error;
  }
}

/** The digest that a plan records for a weight. Throws LOTR1102 and others of its reader when the data is not there. */
export function weightDigest(tensor: TensorData): string {
  return sampledDigest(tensor);
}

/** As {@link weightDigest}; for a weight that is not there to read, `no-data:` with its type and shape. */
export function digestIfThere(tensor: TensorData): string {
  try {
    return sampledDigest(tensor);
  } catch (error) {
    if (error instanceof LotrcError) return `no-data:${tensor.dtype}[${tensor.shape.join(',')}]`;
    throw error;
  }
}
