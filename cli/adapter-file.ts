import { readSafetensors } from '../src/ir/files/safetensors.js';
import type { Adapter } from '../src/rewrite.js';

/** Reads an adapter file; its tensors stay ranges of the file. Throws LOTR1002 and LOTR70xx. */
export function readAdapter(path: string): Adapter {
  return readSafetensors(path);
}
