import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import zlib from 'node:zlib';
import type { Compressors } from 'hyparquet';
import { ParquetFile } from './decode.js';

/**
 * Opens a file of the disk, with the codecs of Node.js; it stays open until this process ends, which decodes no other. Throws as
 * `ParquetFile.open`.
 */
export async function openOnDisk(path: string): Promise<ParquetFile> {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const slice = (start: number, end = size) => stretch(file, start, end);
    return await ParquetFile.open({ byteLength: size, slice }, COMPRESSORS);
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

type Decompress = (input: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array;

/** The output is not larger than the page says. */
const COMPRESSORS: Compressors = Object.fromEntries(
  (
    [
      ['GZIP', zlib.gunzipSync],
      ['BROTLI', zlib.brotliDecompressSync],
      // from Node.js 22.15 on
      ['ZSTD', (zlib as { readonly zstdDecompressSync?: Decompress }).zstdDecompressSync],
    ] as readonly (readonly [string, Decompress | undefined])[]
  ).flatMap(([codec, decompress]) =>
    decompress
      ? [
          [
            codec,
            (input: Uint8Array, length: number) =>
              decompress(input, { maxOutputLength: Math.max(1, length) }),
          ],
        ]
      : [],
  ),
);

/** Bytes of the file, which `ParquetFile.open` found to lie within it. */
function stretch(file: number, start: number, end: number): ArrayBuffer {
  const buffer = new ArrayBuffer(end - start);
  const bytes = new Uint8Array(buffer);
  for (let at = 0; at < bytes.length; ) {
    const count = readSync(file, bytes, at, bytes.length - at, start + at);
    if (count === 0) throw new Error('it ends before what it refers to');
    at += count;
  }
  return buffer;
}
