import { concatBytes } from '../bytes.js';

const STRETCH = 4096;
const STRETCHES = 64;

/** Offsets of the stretches of a large file that its digest is of, and their length. */
export function stretches(size: number): { readonly length: number; readonly starts: readonly number[] } {
  const length = Math.min(STRETCH, size);
  const starts = Array.from({ length: STRETCHES }, (_, i) =>
    Math.floor(((size - length) * i) / (STRETCHES - 1)),
  );
  return { length, starts };
}

/** What the digest `sampled-sha256` of a file in memory is the SHA-256 of: its length, and the stretches. */
export function sampledBytes(file: Uint8Array): Uint8Array {
  const { length, starts } = stretches(file.byteLength);
  return concatBytes([
    new TextEncoder().encode(String(file.byteLength)),
    ...starts.map((start) => file.subarray(start, start + length)),
  ]);
}
