import { sha256 } from '#platform';
import type { Sha256 } from '../../platform/platform.js';
import { toHex } from '../bytes.js';
import type { ByteSource } from '../carried.js';
import type { ByteSink } from '../tensor.js';
import { stretches } from './digest-parts.js';

/** Files up to this many bytes are read whole; of larger ones that many bytes are enough to wait for. */
const WHOLE_UP_TO = 64 << 20;
const CHUNK = 1 << 20;

/** Length and digest of a file. */
export interface FileDigest {
  /** `sha256:...` of the whole file, or for files over 64 MiB `sampled-sha256:...`: its length and 64 stretches of 4 KiB */
  readonly digest: string;
  readonly byteLength: number;
}

/** Reads a source of up to 64 MiB whole, of a larger one 64 stretches from the first byte to the last. */
export function sourceDigest(source: ByteSource): FileDigest {
  const { size } = source;
  return { digest: digestAs(source, kindFor(size)), byteLength: size };
}

/** How a digest is taken: of everything, or of stretches. */
export type DigestKind = 'sha256' | 'sampled-sha256';

const kindFor = (size: number): DigestKind => (size <= WHOLE_UP_TO ? 'sha256' : 'sampled-sha256');

/** The digest of a source, taken in that way. */
export function digestAs(source: ByteSource, kind: DigestKind): string {
  const { size } = source;
  if (kind === 'sha256') {
    const hash = sha256();
    for (let at = 0; at < size; at += CHUNK) hash.update(source.read(at, Math.min(CHUNK, size - at)));
    return whole(hash);
  }
  const { length, starts } = stretches(size);
  const parts = starts.map((start) => Uint8Array.from(source.read(start, length)));
  return sampled(size, parts);
}

const whole = (hash: Sha256): string => `sha256:${toHex(hash.digest())}`;

function sampled(size: number, parts: readonly Uint8Array[]): string {
  const hash = sha256().update(String(size));
  for (const part of parts) hash.update(part);
  return `sampled-sha256:${toHex(hash.digest()).slice(0, 32)}`;
}

/** Passes on what is written, `size` bytes in all, and takes the digest that `fileDigest` would give it. */
export class DigestingSink implements ByteSink {
  readonly #hash = sha256();
  readonly #parts: readonly { readonly start: number; readonly bytes: Uint8Array }[];
  #at = 0;

  constructor(
    readonly to: ByteSink,
    readonly size: number,
  ) {
    const { length, starts } = stretches(size);
    this.#parts =
      kindFor(size) === 'sha256' ? [] : starts.map((start) => ({ start, bytes: new Uint8Array(length) }));
  }

  write(chunk: Uint8Array): void {
    this.to.write(chunk);
    if (this.#parts.length === 0) this.#hash.update(chunk);
    const end = this.#at + chunk.byteLength;
    for (const { start, bytes } of this.#parts) {
      const [from, to] = [Math.max(start, this.#at), Math.min(start + bytes.length, end)];
      if (from < to) bytes.set(chunk.subarray(from - this.#at, to - this.#at), from - start);
    }
    this.#at = end;
  }

  /** When all is written. */
  digest(): string {
    return this.#parts.length === 0
      ? whole(this.#hash)
      : sampled(
          this.size,
          this.#parts.map(({ bytes }) => bytes),
        );
  }
}
