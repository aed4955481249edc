import { sha256 } from '#platform';
import { toHex } from './bytes.js';
import type { TensorData } from './tensor.js';

const SAMPLES = 64;
const SAMPLE_BYTES = 64;

/**
 * A digest that names a weight without reading it whole: SHA-256 over element type, shape, and 64 stretches of 64
 * bytes spread evenly from the first byte to the last (everything, for tensors of up to 4 KiB). It tells one layer or
 * checkpoint from another; it does not protect against deliberate changes of single elements.
 */
export function sampledDigest(tensor: TensorData): string {
  const known = digests.get(tensor) ?? sampled(tensor);
  digests.set(tensor, known);
  return known;
}

/** A tensor is asked by one pass after another, and its data does not change. */
const digests = new WeakMap<TensorData, string>();

function sampled(tensor: TensorData): string {
  const hash = sha256().update(`${tensor.dtype}[${tensor.shape.join(',')}]`);
  const { byteLength } = tensor;
  if (byteLength <= SAMPLES * SAMPLE_BYTES) hash.update(tensor.bytes());
  else {
    for (let i = 0; i < SAMPLES; i++) {
      const offset = Math.floor(((byteLength - SAMPLE_BYTES) * i) / (SAMPLES - 1));
      hash.update(tensor.slice(offset, SAMPLE_BYTES));
    }
  }
  return `sampled-sha256:${toHex(hash.digest()).slice(0, 32)}`;
}
