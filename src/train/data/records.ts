import { type CsvError, type Info, parse } from 'csv-parse/sync';
import { badData } from '../../ir/codes/train.js';
import { fail } from '../../ir/diagnostics.js';
import type { BadLines } from './bad-lines.js';
import { readAll, readLines, utf8 } from './lines.js';

/** Which fields of a record are used. */
export interface Fields {
  readonly text: string;
  /** a second text, for tasks on pairs */
  readonly pair: string | null;
  readonly label: string;
}

/** One labelled text as it stands in the file. */
export interface TextRecord {
  readonly line: number;
  readonly text: string;
  readonly pair: string | null;
  /** text, number, boolean, or list of numbers */
  readonly label: unknown;
}

/** Records of a JSON Lines file: one object per line; empty lines do not count. Throws LOTR8204, LOTR8205. */
export function* jsonLines(file: string, fields: Fields, bad: BadLines): Generator<TextRecord> {
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
    const record = recordOf(value as Readonly<Record<string, unknown>>, line, fields, bad);
    if (record) yield record;
  }
}

/**
 * Records of a CSV file (RFC 4180, with a line of column names; line numbers are those where a record ends).
 * Throws LOTR8204, LOTR8205.
 */
export function csvRecords(
  file: string,
  delimiter: string,
  fields: Fields,
  bad: BadLines,
): readonly TextRecord[] {
  const bytes = readAll(file);
  if (utf8(bytes) === null) fail(badData({ file, why: 'it is not UTF-8' }));
  let rows: readonly CsvRow[];
  try {
    rows = parse(bytes, {
      bom: true,
      delimiter,
      info: true,
      skip_empty_lines: true,
      skip_records_with_error: true,
      on_skip: (error: CsvError | undefined) => {
        const line = typeof error?.lines === 'number' ? error.lines : 1;
        bad.add(line, error?.message ?? 'it is no record');
        return undefined;
      },
    }) as unknown as readonly CsvRow[];
  } catch (error) {
    if (error instanceof Error && 'code' in error) return fail(badData({ file, why: error.message }));
    throw error;
  }
  const [head, ...body] = rows;
  if (!head) return fail(badData({ file, why: 'it is empty' }));
  const names = head.record;
  for (const wanted of [fields.text, fields.label, ...(fields.pair === null ? [] : [fields.pair])]) {
    if (names.includes(wanted)) continue;
    const hint = `its columns are ${names.join(', ')}; --text-field, --pair-field and --label-field choose`;
    fail(badData({ file, why: `it has no column "${wanted}"`, hint }));
  }
  const records: TextRecord[] = [];
  for (const { info, record } of body) {
    const value = Object.fromEntries(names.map((name, i) => [name, record[i]]));
    const made = recordOf(value, info.lines, fields, bad);
    if (made) records.push(made);
  }
  return records;
}

interface CsvRow {
  readonly info: Info;
  readonly record: readonly string[];
}

function recordOf(
  value: Readonly<Record<string, unknown>>,
  line: number,
  fields: Fields,
  bad: BadLines,
): TextRecord | null {
  const text = textOf(value, fields.text);
  const pair = fields.pair === null ? null : textOf(value, fields.pair);
  if (typeof text !== 'string') {
    bad.add(line, text.why);
    return null;
  }
  if (pair !== null && typeof pair !== 'string') {
    bad.add(line, pair.why);
    return null;
  }
  const label = Object.hasOwn(value, fields.label) ? value[fields.label] : undefined;
  if (label === undefined || label === null || label === '') {
    bad.add(line, `it has no "${fields.label}"`);
    return null;
  }
  return { line, text, pair, label };
}

function textOf(value: Readonly<Record<string, unknown>>, field: string): string | { readonly why: string } {
  if (!Object.hasOwn(value, field)) return { why: `it has no "${field}"` };
  const text = value[field];
  return typeof text === 'string' ? text : { why: `"${field}" is not a text` };
}
