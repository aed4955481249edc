import type { DType } from '../ir/dtype.js';
import { outputBytes } from '../ir/files/output-bytes.js';
import { type StoredTensor, safetensorsOutput, safetensorsRows } from '../ir/files/safetensors-header.js';
import type { HeldTensors } from '../train/runner/runner.js';

/** A tensor of a file: a view of its bytes. */
export interface FileBytes {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export interface TensorFile {
  /** in the order in which the data lies in the file */
  readonly tensors: ReadonlyMap<string, FileBytes>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A safetensors file in memory. Throws LOTR7001 and LOTR7002. */
export function parseTensorFile(file: Uint8Array, label: string): TensorFile {
  const source = {
    path: label,
    size: file.byteLength,
    read: (offset: number, length: number) => file.subarray(offset, offset + length),
  };
  const { rows, metadata, dataStart } = safetensorsRows(source);
  const tensors = new Map(
    rows.map(({ name, dtype, shape, begin, end }): [string, FileBytes] => [
      name,
      { dtype, shape, bytes: file.subarray(dataStart + begin, dataStart + end) },
    ]),
  );
  return { tensors, metadata };
}

/** float32 tensors as they are held. The caller has checked their types. */
export function heldOf(tensors: ReadonlyMap<string, FileBytes>): HeldTensors {
  return new Map([...tensors].map(([name, { shape, bytes }]) => [name, { dims: shape, data: f32Of(bytes) }]));
}

/** The numbers in a buffer of their own: in a file they may lie anywhere. */
function f32Of(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.slice().buffer);
}

/** Held tensors as files have them. */
export function storedOf(held: HeldTensors): ReadonlyMap<string, StoredTensor> {
  return new Map(
    [...held].map(([name, { dims, data }]) => {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      return [
        name,
        { dtype: 'f32', shape: dims, byteLength: bytes.byteLength, copyTo: (sink) => sink.write(bytes) },
      ];
    }),
  );
}

/** The bytes of a safetensors file, as `writeSafetensors` would write them. */
export function encodeTensorFile(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>>,
  label: string,
): Uint8Array {
  return outputBytes(safetensorsOutput(label, tensors, metadata));
}
