import { type FileHandle, open } from 'node:fs/promises';
import zlib from 'node:zlib';
import {
  type AsyncBuffer,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from 'hyparquet';
import { parsePlain } from '../../../ir/files/json.js';
import type { ParquetRows, ParquetShape } from './messages.js';

/** An open Parquet file, of which one row group is decoded at a time. */
export class ParquetFile {
  #rows: ParquetRows = [];
  readonly #file: AsyncBuffer;
  readonly #metadata: FileMetaData;

  private constructor(file: AsyncBuffer, metadata: FileMetaData) {
    this.#file = file;
    this.#metadata = metadata;
  }

  /** Reads the end of the file, which describes it. Throws an Error whose message says why it cannot be read. */
  static async open(path: string): Promise<ParquetFile> {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      if (size < 12) throw new Error('it is too short');
      const file = { byteLength: size, slice: (start: number, end = size) => stretch(handle, start, end) };
      return new ParquetFile(file, await parquetMetadataAsync(file, { geoparquet: false }));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  shape(): ParquetShape {
    const columns = parquetSchema(this.#metadata).children.map(({ element }) => element.name);
    const groups = this.#metadata.row_groups.map(({ num_rows: rows }) => Number(rows));
    if (groups.some((rows) => !Number.isSafeInteger(rows) || rows < 0))
      throw new Error('a row group has no number of rows');
    return { columns, groups };
  }

  /** Decodes some columns of a row group. */
  async group(index: number, columns: readonly string[]): Promise<void> {
    this.#rows = [];
    const before = this.#metadata.row_groups.slice(0, index);
    const rowStart = before.reduce((sum, { num_rows: rows }) => sum + Number(rows), 0);
    const rowEnd = rowStart + Number(this.#metadata.row_groups[index]!.num_rows);
    this.#rows = (await parquetReadObjects({
      file: this.#file,
      metadata: this.#metadata,
      columns: [...columns],
      rowStart,
      rowEnd,
      compressors: COMPRESSORS,
      parsers: PARSERS,
    })) as ParquetRows;
  }

  rows(start: number, end: number): ParquetRows {
    return this.#rows
      .slice(start, end)
      .map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, jsonOf(value)])));
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function textOf(bytes: Uint8Array): string {
  try {
    return bytes && utf8.decode(bytes);
  } catch {
    throw new Error('a text in it is not UTF-8');
  }
}

/** Dates are texts. */
const PARSERS = {
  stringFromBytes: textOf,
  jsonFromBytes: (bytes: Uint8Array) => bytes && parsePlain(textOf(bytes)),
  timestampFromMilliseconds: (millis: bigint) => dateText(Number(millis)),
  timestampFromMicroseconds: (micros: bigint) => dateText(Number(micros / 1000n)),
  timestampFromNanoseconds: (nanos: bigint) => dateText(Number(nanos / 1000000n)),
  dateFromDays: (days: number) => dateText(days * 86_400_000)?.slice(0, 10),
};

function dateText(millis: number): string | undefined {
  const date = new Date(millis);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

type Decompress = (input: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array;

/** Codecs of Node.js; hyparquet itself has Snappy. The output is not larger than the page says. */
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

/** Values as JSON has them; integers beyond those of JavaScript as text. */
function jsonOf(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (Array.isArray(value)) return value.map(jsonOf);
  if (ArrayBuffer.isView(value)) return Array.from(value as Uint8Array, jsonOf);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, jsonOf(inner)]));
}

async function stretch(handle: FileHandle, start: number, end: number): Promise<ArrayBuffer> {
  const { size } = await handle.stat();
  if (!(start >= 0 && start <= end && end <= size)) throw new Error('it refers to bytes beyond its end');
  const buffer = new ArrayBuffer(end - start);
  const bytes = new Uint8Array(buffer);
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, at, bytes.length - at, start + at);
    if (bytesRead === 0) throw new Error('it ends before what it refers to');
    at += bytesRead;
  }
  return buffer;
}
