import { createHash } from 'node:crypto';
import { LotrcError } from '../../ir/diagnostics.js';
import { byteLengthOf } from '../../ir/dtype.js';
import { elementCount } from '../../ir/shape.js';
import type { TensorData } from '../../ir/tensor.js';

/** Reads a few bytes at a place of a tensor. */
export type Peek = (offset: number, length: number) => Uint8Array;

/**
 * How to look at parts of a tensor: positioned reads where the data lies in a file, else the bytes once. Null when the
 * data is not there (stripped, or its external file is missing): planning then goes on without it.
 */
export function peekInto(tensor: TensorData): Peek | null {
  if (byteLengthOf(tensor.dtype, elementCount(tensor.shape)) !== tensor.byteLength) return null;
  try {
    if (tensor.origin.kind === 'file') {
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

const SAMPLES = 64;
const SAMPLE_BYTES = 64;

/**
 * A digest that costs 66 small reads whatever the tensor's size: `sampled-sha256:` and 32 hex digits of SHA-256 over
 * type, shape and 66 runs of 64 bytes (the first, the last, and 64 spread evenly); tensors up to 4224 bytes are hashed whole.
 * It tells one trained weight from another, and a weight from a fine-tuned, quantized or transposed copy of it, because
 * those differ nearly everywhere. It does not notice an edit between the samples, and is no protection against a file
 * made to deceive. Without data: `no-data:` and type and shape.
 */
export function sampledDigest(tensor: TensorData): string {
  const head = `${tensor.dtype}[${tensor.shape.join(',')}]`;
  const peek = peekInto(tensor);
  if (!peek) return `no-data:${head}`;
  const hash = createHash('sha256').update(head);
  const size = tensor.byteLength;
  if (size <= (SAMPLES + 2) * SAMPLE_BYTES) hash.update(peek(0, size));
  else {
    const last = size - SAMPLE_BYTES;
    for (let i = 0; i < SAMPLES + 2; i++) {
      hash.update(peek(Math.floor((last * i) / (SAMPLES + 1)), SAMPLE_BYTES));
    }
  }
  return `sampled-sha256:${hash.digest('hex').slice(0, 32)}`;
}
