import type { ByteSource } from '../carried.js';
import { malformed } from '../codes/load.js';
import { fail } from '../diagnostics.js';
import type { ByteSink } from '../tensor.js';

/** Bytes in memory as a source. */
export class MemorySource implements ByteSource {
  readonly path: string;
  readonly size: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, label = '<memory>') {
    this.#bytes = bytes;
    this.path = label;
    this.size = bytes.byteLength;
  }

  read(offset: number, length: number): Uint8Array {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      fail(
        malformed({
          file: this.path,
          offset,
          why: `${length} bytes are needed here and ${this.size} are all`,
        }),
      );
    }
    return this.#bytes.subarray(offset, offset + length);
  }
}

/** Small enough for the processor's cache: a chunk is written from where the read has just put it. */
const CHUNK = 1 << 20;
let chunk: Uint8Array | null = null;

/**
 * Streams a range in chunks of at most 1 MiB. A sink may not keep them: they share one buffer. Throws LOTR1006 when the file
 * changed since it was opened.
 */
export function copyRange(source: ByteSource, offset: number, length: number, sink: ByteSink): void {
  copyPart(source, offset, length, sink);
  source.checkUnchanged?.();
}

/** As {@link copyRange}, for a caller that copies many ranges and asks at the end whether the file changed. */
export function copyPart(source: ByteSource, offset: number, length: number, sink: ByteSink): void {
  if (!source.readInto) {
    sink.write(source.read(offset, length));
    return;
  }
  if (offset + length > source.size) source.read(offset, length);
  // taken while in use, so that a sink which reads a range itself gets a buffer of its own
  const buffer = chunk ?? new Uint8Array(CHUNK);
  chunk = null;
  for (let done = 0; done < length; done += CHUNK) {
    const part = buffer.subarray(0, Math.min(CHUNK, length - done));
    source.readInto(part, offset + done);
    sink.write(part);
  }
  chunk = buffer;
}
