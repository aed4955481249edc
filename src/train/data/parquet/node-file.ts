import { type FileHandle, open } from 'node:fs/promises';
import zlib from 'node:zlib';
import type { Compressors } from 'hyparquet';
import { ParquetFile } from './decode.js';

/** Opens a file of the disk, with the codecs of Node.js. Throws as `ParquetFile.open`. */
export async function openOnDisk(path: string): Promise<ParquetFile> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const slice = (start: number, end = size) => stretch(handle, start, end);
    return await ParquetFile.open({ byteLength: size, slice }, COMPRESSORS);
  } catch (error) {
    await handle.close();
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
async function stretch(handle: FileHandle, start: number, end: number): Promise<ArrayBuffer> {
  const buffer = new ArrayBuffer(end - start);
  const bytes = new Uint8Array(buffer);
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, at, bytes.length - at, start + at);
    if (bytesRead === 0) throw new Error('it ends before what it refers to');
    at += bytesRead;
  }
  return buffer;
}
