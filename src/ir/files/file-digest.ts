import { createHash, type Hash } from 'node:crypto';
import { FileSource } from '../onnx/source.js';
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

/** Reads a file of up to 64 MiB whole, of a larger one 64 stretches from the first byte to the last. Throws LOTR1002. */
export function fileDigest(path: string): FileDigest {
  const source = new FileSource(path);
  const { size } = source;
  return { digest: digestAs(source, kindFor(size)), byteLength: size };
}

/** `sha256:...` of the whole file, however large. Throws LOTR1002. */
export function wholeDigest(path: string): string {
  return digestAs(new FileSource(path), 'sha256');
}

/**
 * Whether a file still has the digest that was taken of it. Digests of unknown kinds are of other versions of lotrc and
 * are not checked.
 */
export function hasDigest(path: string, digest: string): boolean {
  const kind = digest.split(':')[0];
  if (kind !== 'sha256' && kind !== 'sampled-sha256') return true;
  return digestAs(new FileSource(path), kind) === digest;
}

type Kind = 'sha256' | 'sampled-sha256';

const kindFor = (size: number): Kind => (size <= WHOLE_UP_TO ? 'sha256' : 'sampled-sha256');

function digestAs(source: FileSource, kind: Kind): string {
  const { size } = source;
  if (kind === 'sha256') {
    const hash = createHash('sha256');
    for (let at = 0; at < size; at += CHUNK) hash.update(source.read(at, Math.min(CHUNK, size - at)));
    source.close();
    return whole(hash);
  }
  const { length, starts } = stretches(size);
  const parts = starts.map((start) => Uint8Array.from(source.read(start, length)));
  source.close();
  return sampled(size, parts);
}

const whole = (hash: Hash): string => `sha256:${hash.digest('hex')}`;

function sampled(size: number, parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256').update(String(size));
  for (const part of parts) hash.update(part);
  return `sampled-sha256:${hash.digest('hex').slice(0, 32)}`;
}

/** Passes on what is written, `size` bytes in all, and takes the digest that `fileDigest` would give it. */
export class DigestingSink implements ByteSink {
  readonly #hash = createHash('sha256');
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
