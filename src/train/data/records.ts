import { type CsvError, type Info, type Parser, parse } from 'csv-parse';
import { listed } from '../../ir/codes/listed.js';
import { badData } from '../../ir/codes/train.js';
import { fail } from '../../ir/diagnostics.js';
import { parsePlain } from '../../ir/files/json.js';
import type { BadRecords } from './bad-lines.js';
import { MAX_RECORD, readLines, tooLong, utf8 } from './lines.js';
import type { Source } from './source.js';

/** One record as it is in the file: an object of JSON, or texts by column name. */
export interface DataRow {
  readonly line: number;
  readonly value: Readonly<Record<string, unknown>>;
}

/** The records of a file, to be read once. */
export interface Rows {
  readonly file: string;
  /** names of columns; null where every record has its own fields */
  readonly columns: readonly string[] | null;
  readonly rows: AsyncIterable<DataRow>;
  /** these are not all records of the data: there may be none that can be used */
  readonly part?: true;
}

/** Records of a JSON Lines file: one object per line; empty lines do not count. Throws LOTR8204, LOTR8205. */
export async function* jsonLines(source: Source, bad: BadRecords): AsyncGenerator<DataRow> {
  for await (const { line, bytes } of readLines(source)) {
    const text = utf8(bytes);
    if (text === null) {
      bad.add(line, 'it is not UTF-8');
      continue;
    }
    if (text.trim() === '') continue;
    let value: unknown;
    try {
      value = parsePlain(text);
    } catch (error) {
      bad.add(line, `it is not JSON: ${(error as Error).message}`);
      continue;
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      bad.add(line, 'it is not a JSON object');
      continue;
    }
    yield { line, value: value as Readonly<Record<string, unknown>> };
  }
}

/**
 * Records of a table with a line of column names (RFC 4180 where `quote` is `"`; null: no character quotes, as in
 * published TSV files). Line numbers are those where a record ends. Throws LOTR8204, LOTR8205.
 */
export async function tableRows(
  source: Source,
  delimiter: string,
  quote: string | null,
  bad: BadRecords,
): Promise<{ readonly columns: readonly string[]; readonly rows: AsyncGenerator<DataRow> }> {
  const { file } = source;
  const lines = tableLines(source, delimiter, quote, bad);
  const { value: head } = (await lines.next()) as { readonly value?: CsvRow };
  if (!head) return fail(badData({ file, why: 'it is empty' }));
  const columns = head.record;
  const rows = async function* (): AsyncGenerator<DataRow> {
    for await (const { info, record } of lines) {
      yield {
        line: info.lines,
        value: Object.fromEntries(columns.map((name, i) => [name, record[i]])),
      };
    }
  };
  return { columns, rows: rows() };
}

interface CsvRow {
  readonly info: Info;
  readonly record: readonly string[];
}

async function* tableLines(
  source: Source,
  delimiter: string,
  quote: string | null,
  bad: BadRecords,
): AsyncGenerator<CsvRow> {
  const { file } = source;
  const parser = parse({
    bom: true,
    delimiter,
    quote: quote ?? false,
    escape: quote ?? false,
    info: true,
    max_record_size: MAX_RECORD,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: (error: CsvError | undefined) => {
      const line = typeof error?.lines === 'number' ? error.lines : 1;
      if (error?.code === 'CSV_MAX_RECORD_SIZE') tooLong(file, line, quote === null ? SHORTER : UNQUOTED);
      bad.add(line, error?.message ?? 'it cannot be read');
      return undefined;
    },
  });
  try {
    yield* parsed(checked(source), parser);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return fail(badData({ file, why: error.message }));
    throw error;
  }
}

/** What a parser makes of a text. Its streams are those of Node, or stand-ins for browsers, which have less: events, and `read`. */
async function* parsed(chunks: AsyncIterable<string>, parser: Parser): AsyncGenerator<CsvRow> {
  const failed: unknown[] = [];
  const ended = new Promise<void>((resolve) => {
    parser.on('error', (error: unknown) => {
      failed.push(error);
      resolve();
    });
    parser.on('finish', resolve);
  });
  const made = function* (): Generator<CsvRow> {
    if (failed.length > 0) throw failed[0];
    for (let row = parser.read() as CsvRow | null; row !== null; row = parser.read() as CsvRow | null)
      yield row;
  };
  for await (const chunk of chunks) {
    parser.write(chunk);
    yield* made();
  }
  parser.end();
  await ended;
  yield* made();
}

const SHORTER = 'divide it into several records';
const UNQUOTED =
  'a quote that is not closed takes in all that follows: close it, or give --quote none when quotes are a part of the texts';

/** The text of a file that is UTF-8, piece by piece. Throws LOTR8204 where it is not. */
async function* checked(source: Source): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decoded = (bytes?: Uint8Array): string => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch {
      return fail(badData({ file: source.file, why: 'it is not UTF-8' }));
    }
  };
  for await (const chunk of source.contentChunks()) yield decoded(chunk);
  yield decoded();
}

/** Throws LOTR8204 when no record can be used. */
export function requireRows({ file, part }: Rows, made: number): void {
  if (made === 0 && !part) noRecords(file);
}

/** Throws LOTR8204: no record of a file can be used. */
export function noRecords(file: string): never {
  return fail(badData({ file, why: 'it has no record that can be used' }));
}

/** Throws LOTR8204 when a table lacks one of these columns, or has it twice. */
export function requireColumns({ file, columns }: Rows, wanted: readonly string[]): void {
  if (columns === null) return;
  for (const name of wanted) {
    const count = columns.filter((column) => column === name).length;
    if (count === 1) continue;
    const hint =
      count > 1
        ? 'give the columns names of their own'
        : `its columns are ${listed(columns, 20)}; \`lotrc train --help\` lists the options that name fields`;
    const why = count > 1 ? `it has ${count} columns "${name}"` : `it has no column "${name}"`;
    fail(badData({ file, why, hint }));
  }
}

/** A text under a name; null, and a bad line, when the record does not have it. */
export function textOf({ line, value }: DataRow, field: string, bad: BadRecords): string | null {
  const text = Object.hasOwn(value, field) ? value[field] : undefined;
  if (typeof text === 'string') return text;
  bad.add(line, text === undefined ? `it has no "${field}"` : `"${field}" is not a text`);
  return null;
}

/** Whether a record has a value under a name; null and the empty text are none. */
export function has({ value }: DataRow, field: string): boolean {
  const found = Object.hasOwn(value, field) ? value[field] : undefined;
  return found !== undefined && found !== null && found !== '';
}
