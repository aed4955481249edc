import type { ByteSource } from '../ir/carried.js';
import { malformed } from '../ir/codes/load.js';
import { fail } from '../ir/diagnostics.js';

/** Parts are read in whole blocks of this size. */
const BLOCK = 256 << 10;
/** Blocks that are kept: the least recently used one goes. */
const KEPT = 128;
/** Blocks that one request of a forward reader grows to. */
const MOST_AHEAD = 16;
/** One request of a large read takes at most this much. */
const MOST = 16 << 20;

/** Reads a part of something; gives exactly `length` bytes, or throws a diagnostic. */
export type ReadRange = (offset: number, length: number) => Uint8Array;

/**
 * Bytes that are read in parts when they are first used, of which only a few blocks are held. Reads that follow each other are
 * answered by fewer, larger requests.
 */
export class RangeSource implements ByteSource {
  readonly #blocks = new Map<number, Uint8Array>();
  /** the block after the last request, and how many that one took */
  #next = -1;
  #ahead = 1;

  constructor(
    readonly path: string,
    readonly size: number,
    readonly readRange: ReadRange,
  ) {}

  read(offset: number, length: number): Uint8Array {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      const why = `${length} bytes are needed here and ${this.size} are all`;
      fail(malformed({ file: this.path, offset, why }));
    }
    const into = new Uint8Array(length);
    this.readInto(into, offset);
    return into;
  }

  /** Fills `into` from `offset`. The caller has checked the range. */
  readInto(into: Uint8Array, offset: number): void {
    const { byteLength } = into;
    // a large read would drive everything else out of the blocks
    if (byteLength > BLOCK * MOST_AHEAD) {
      for (let at = 0; at < byteLength; at += MOST) {
        into.set(this.readRange(offset + at, Math.min(MOST, byteLength - at)), at);
      }
      return;
    }
    for (let at = 0; at < byteLength; ) {
      const index = Math.floor((offset + at) / BLOCK);
      const from = offset + at - index * BLOCK;
      const part = this.#block(index, offset + byteLength).subarray(from, from + byteLength - at);
      into.set(part, at);
      at += part.byteLength;
    }
  }

  /** A block, read with those up to `end` that are missing too. */
  #block(index: number, end: number): Uint8Array {
    const held = this.#blocks.get(index);
    if (held) {
      this.#blocks.delete(index);
      this.#blocks.set(index, held);
      return held;
    }
    this.#ahead = index === this.#next ? Math.min(MOST_AHEAD, 2 * this.#ahead) : 1;
    const wanted = Math.ceil(end / BLOCK) - index;
    const last = Math.ceil(this.size / BLOCK);
    const count = Math.min(Math.max(wanted, this.#ahead), MOST_AHEAD, last - index);
    const start = index * BLOCK;
    const bytes = this.readRange(start, Math.min(count * BLOCK, this.size - start));
    for (let k = 0; k < count; k++) this.#keep(index + k, bytes.slice(k * BLOCK, (k + 1) * BLOCK));
    this.#next = index + count;
    return this.#blocks.get(index)!;
  }

  #keep(index: number, bytes: Uint8Array): void {
    this.#blocks.delete(index);
    this.#blocks.set(index, bytes);
    if (this.#blocks.size <= KEPT) return;
    const [oldest] = this.#blocks.keys();
    if (oldest !== undefined) this.#blocks.delete(oldest);
  }
}
