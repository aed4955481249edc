import { type CsvError, type Info, parse } from 'csv-parse/sync';
import { badData } from '../../ir/codes/train.js';
import { fail } from '../../ir/diagnostics.js';
import type { BadLines } from './bad-lines.js';
import { readAll, readLines, utf8 } from './lines.js';

/** One record as it is in the file: an object of JSON, or texts by column name. */
export interface Row {
  readonly line: number;
  readonly value: Readonly<Record<string, unknown>>;
}

/** The records of a file. */
export interface Rows {
  readonly file: string;
  /** names of columns; null where every record has its own fields */
  readonly columns: readonly string[] | null;
  readonly rows: Iterable<Row>;
}

/** Records of a JSON Lines file: one object per line; empty lines do not count. Throws LOTR8204, LOTR8205. */
export function* jsonLines(file: string, bad: BadLines): Generator<Row> {
  for (const { line, bytes } of readLines(file)) {
    const text = utf8(bytes);
    if (text === null) {
      bad.add(line, 'it is not UTF-8');
      continue;
    }
    if (text.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(text);
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
export function tableRows(file: string, delimiter: string, quote: string | null, bad: BadLines): Rows {
  const bytes = readAll(file);
  if (utf8(bytes) === null) fail(badData({ file, why: 'it is not UTF-8' }));
  let lines: readonly CsvRow[];
  try {
    lines = parse(bytes, {
      bom: true,
      delimiter,
      quote: quote ?? false,
      escape: quote ?? false,
      info: true,
      skip_empty_lines: true,
      skip_records_with_error: true,
      on_skip: (error: CsvError | undefined) => {
        const line = typeof error?.lines === 'number' ? error.lines : 1;
        bad.add(line, error?.message ?? 'it cannot be read');
        return undefined;
      },
    }) as unknown as readonly CsvRow[];
  } catch (error) {
    if (error instanceof Error && 'code' in error) return fail(badData({ file, why: error.message }));
    throw error;
  }
  const [head, ...body] = lines;
  if (!head) return fail(badData({ file, why: 'it is empty' }));
  const columns = head.record;
  const rows = body.map(({ info, record }) => ({
    line: info.lines,
    value: Object.fromEntries(columns.map((name, i) => [name, record[i]])),
  }));
  return { file, columns, rows };
}

interface CsvRow {
  readonly info: Info;
  readonly record: readonly string[];
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
        : `its columns are ${columns.join(', ')}; \`lotrc train --help\` lists the options that name fields`;
    const why = count > 1 ? `it has ${count} columns "${name}"` : `it has no column "${name}"`;
    fail(badData({ file, why, hint }));
  }
}

/** A text under a name; null, and a bad line, when the record does not have it. */
export function textOf({ line, value }: Row, field: string, bad: BadLines): string | null {
  const text = Object.hasOwn(value, field) ? value[field] : undefined;
  if (typeof text === 'string') return text;
  bad.add(line, text === undefined ? `it has no "${field}"` : `"${field}" is not a text`);
  return null;
}

/** Whether a record has a value under a name; null and the empty text are none. */
export function has({ value }: Row, field: string): boolean {
  const found = Object.hasOwn(value, field) ? value[field] : undefined;
  return found !== undefined && found !== null && found !== '';
}
