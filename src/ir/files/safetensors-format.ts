import type { ByteSource } from '../carried.js';
import { FileTensor } from '../onnx/tensor-read.js';
import type { TensorData } from '../tensor.js';
import { safetensorsRows } from './safetensors-header.js';

export interface Safetensors {
  /** in the order in which the data lies in the file */
  readonly tensors: Map<string, TensorData>;
  readonly metadata: Record<string, string>;
}

/**
 * Reads the header of a byte source; tensors are ranges of it, read when they are used. Throws LOTR7001 when it is malformed,
 * LOTR7002 when an element type is unknown.
 */
export function readSafetensorsFrom(source: ByteSource): Safetensors {
  const { rows, metadata, dataStart } = safetensorsRows(source);
  const tensors = new Map<string, TensorData>();
  for (const { name, dtype, shape, begin, end } of rows) {
    const offset = dataStart + begin;
    const place = { path: source.path, offset, locate: () => ({ source, offset }) };
    tensors.set(name, new FileTensor(dtype, shape, end - begin, place, null));
  }
  return { tensors, metadata };
}
