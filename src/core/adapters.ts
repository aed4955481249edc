import { outputBytes } from '../ir/files/output-bytes.js';
import { readSafetensorsFrom, type Safetensors } from '../ir/files/safetensors-format.js';
import { safetensorsOutput } from '../ir/files/safetensors-header.js';
import type { TensorData } from '../ir/tensor.js';
import { nameOf, openSource, type SourceInput } from './sources.js';

/**
 * Reads a safetensors file; tensors are read when they are used. Throws LOTR1002, LOTR7001 when it is malformed, LOTR7002 when an
 * element type is unknown.
 */
export async function openSafetensors(input: SourceInput, name?: string): Promise<Safetensors> {
  return readSafetensorsFrom(await openSource(input, name ?? nameOf(input, 'adapter.safetensors')));
}

/** The bytes of a safetensors file: those that `writeSafetensors` writes. Throws LOTR7003. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  return outputBytes(safetensorsOutput('<adapter.safetensors>', tensors, metadata));
}
