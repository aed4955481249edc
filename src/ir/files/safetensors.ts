import type { TensorData } from '../tensor.js';
import { writeAtomically } from './atomic.js';
import { FileSource } from './file-source.js';
import { readSafetensorsFrom, type Safetensors } from './safetensors-format.js';
import { safetensorsOutput } from './safetensors-header.js';

export type { Safetensors } from './safetensors-format.js';
export { safetensorsOutput } from './safetensors-header.js';

/**
 * Reads the header of a file; tensors are ranges of the file, read when they are used. Throws LOTR1002 when the file
 * cannot be opened, LOTR7001 when it is malformed, LOTR7002 when an element type is unknown.
 */
export function readSafetensors(path: string): Safetensors {
  return readSafetensorsFrom(new FileSource(path));
}

/** Writes one file atomically; see {@link safetensorsOutput}. Throws LOTR7003 and LOTR1201. */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  writeAtomically([safetensorsOutput(path, tensors, metadata)]);
}
