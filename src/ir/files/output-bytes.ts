import { concatBytes } from '../bytes.js';
import type { Output } from './atomic.js';

/** Bytes of an output. */
export function outputBytes(output: Output): Uint8Array {
  const chunks: Uint8Array[] = [];
  // a chunk may be filled again after `write`
  output.write({ write: (chunk) => chunks.push(chunk.slice()) });
  return concatBytes(chunks);
}
