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
  readonly #codecs: Compressors;

  private constructor(file: AsyncBuffer, metadata: FileMetaData, codecs: Compressors) {
    this.#file = file;
    this.#metadata = metadata;
    this.#codecs = codecs;
  }

  /**
   * Reads the end of the file, which describes it. hyparquet itself has Snappy; `codecs` are the others. Throws an Error whose message
   * says why the file cannot be read.
   */
  static async open({ byteLength, slice }: AsyncBuffer, codecs: Compressors): Promise<ParquetFile> {
    if (byteLength < 12) throw new Error('it is too short');
    const file: AsyncBuffer = {
      byteLength,
      slice(start, end = byteLength) {
        if (!(start >= 0 && start <= end && end <= byteLength))
          throw new Error('it refers to bytes beyond its end');
        return slice(start, end);
      },
    };
    return new ParquetFile(file, await parquetMetadataAsync(file, { geoparquet: false }), codecs);
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
      compressors: this.#codecs,
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
