import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { badIndex } from '../../ir/codes/logs.js';
import { fail } from '../../ir/diagnostics.js';
import type { Output } from '../../ir/files/atomic.js';
import type { ParquetLayout } from '../../options/words.js';
import type { Setting } from './hparams.js';
import { frameMetadata } from './pandas.js';
import type { Log, LogRow } from './rows.js';

/** Columns that every file has, in this order: the run, then the position in it, then the measured values. */
const ABOUT = ['model', 'method', 'task', 'lr', 'rank', 'seed'];
const MEASURED = ['loss', 'learning_rate'];

/** `lr` is a setting of the run, the peak; the learning rate of a step is another column. */
const COLUMN_OF: ReadonlyMap<string, string> = new Map([['lr', 'learning_rate']]);

export type { ParquetLayout };

export interface ParquetOptions {
  /** default: wide */
  readonly layout?: ParquetLayout;
  /** columns that are the index in pandas, from the outside in: rows are sorted by them */
  readonly index?: readonly string[];
  /** other columns of texts are categories in pandas and Arrow */
  readonly categories?: boolean;
}

/**
 * Logs as one Parquet file. Columns: model, method, task, lr, rank, seed, every other setting by name, step (int64),
 * split, wall_time (double, seconds since 1970). Then `wide`: a row per step and split, with a column for every value;
 * `long`: a row per value, with columns tag and value. Values that a row lacks are null. Numbers that TensorBoard holds
 * as float32 are stored so. `path` is replaced whole. Throws LOTR5204.
 */
export function parquetOutput(path: string, logs: readonly Log[], options: ParquetOptions = {}): Output {
  const { layout = 'wide', index = [], categories = false } = options;
  const rows = logs.flatMap(({ rows, settings }) => rows.map((row) => ({ row, settings })));
  const columns = sortedBy(index, layout === 'wide' ? wideColumns(rows) : longColumns(rows));
  const columnData = columns.map((column) =>
    // readers of categories take the dictionary
    categories && column.type === 'STRING' ? { ...column, encoding: 'RLE_DICTIONARY' as const } : column,
  );
  const kvMetadata = frameMetadata(columns, { index, categories });
  const bytes = new Uint8Array(parquetWriteBuffer({ columnData, kvMetadata, createdBy: 'lotrc' }));
  return { path, write: (sink) => sink.write(bytes) };
}

/** The same rows by the values of some columns; what is missing comes last, and equal rows stay in their order. */
function sortedBy(index: readonly string[], columns: readonly ColumnSource[]): readonly ColumnSource[] {
  if (index.length === 0) return columns;
  const names = columns.map(({ name }) => name);
  const keys = index.map((name) => {
    const column = columns.find((one) => one.name === name);
    return Array.from(column?.data ?? fail(badIndex({ name, names })));
  });
  const order = Array.from(keys[0]!, (_, row) => row).sort((a, b) => {
    for (const key of keys) {
      const sign = compared(key[a], key[b]);
      if (sign !== 0) return sign;
    }
    return 0;
  });
  return columns.map((column) => {
    const data = Array.from(column.data);
    return { ...column, data: order.map((row) => data[row]) };
  });
}

type Cell = string | number | bigint | boolean | null;

function compared(a: Cell, b: Cell): number {
  const [missingA, missingB] = [isMissing(a), isMissing(b)];
  if (missingA || missingB) return Number(missingA) - Number(missingB);
  return a! < b! ? -1 : a! > b! ? 1 : 0;
}

const isMissing = (cell: Cell): boolean => cell === null || Number.isNaN(cell);

/** Rows of any columns, each of the narrowest type that holds its values; what a row lacks is null. `path` is replaced whole. */
export function rowsParquet(path: string, rows: readonly ReadonlyMap<string, Setting | null>[]): Output {
  const names = [...new Set(rows.flatMap((row) => [...row.keys()]))];
  const columnData = names.map((name) => ({
    ...settingColumn(rows.map((row) => row.get(name) ?? null)),
    name,
    nullable: true,
  }));
  const bytes = new Uint8Array(parquetWriteBuffer({ columnData, createdBy: 'lotrc' }));
  return { path, write: (sink) => sink.write(bytes) };
}

interface Entry {
  readonly row: LogRow;
  readonly settings: Log['settings'];
}

const PLACE = ['step', 'split', 'wall_time'];

function wideColumns(rows: readonly Entry[]): ColumnSource[] {
  const columns = [...aboutColumns(rows, PLACE), ...placeColumns(rows)];
  const values = new Set(rows.flatMap(({ row }) => [...row.values.keys()]));
  const taken = new Set(columns.map(({ name }) => name));
  const tagOf = new Map(MEASURED.map((name) => [name, name]));
  for (const name of [...values].sort()) {
    const column = COLUMN_OF.get(name) ?? name.replace(/^lr\//, 'learning_rate/');
    const other = tagOf.get(column);
    // a run may measure what it also has as a setting, or have both lr and learning_rate
    const clash = taken.has(column) || (other !== undefined && other !== name && values.has(other));
    tagOf.set(clash ? `${column}_value` : column, name);
  }
  const measured = [...tagOf].map(([column, tag]) =>
    numbers(
      column,
      rows.map(({ row }) => row.values.get(tag) ?? null),
    ),
  );
  return [...columns, ...measured];
}

function longColumns(rows: readonly Entry[]): ColumnSource[] {
  const entries = rows.flatMap(({ row, settings }) =>
    [...row.values].map(([name, value]) => ({ row, settings, name, value })),
  );
  const about = aboutColumns(entries, [...PLACE, 'tag', 'value']);
  const tags = entries.map(({ row, name }) => (row.split === '' ? name : `${row.split}/${name}`));
  const values = entries.map(({ value }) => value);
  return [
    ...about,
    ...placeColumns(entries),
    { name: 'tag', type: 'STRING', nullable: false, data: tags },
    { ...numbers('value', values), nullable: false },
  ];
}

function placeColumns(rows: readonly Entry[]): ColumnSource[] {
  const steps = rows.map(({ row }) => BigInt(row.step));
  return [
    { name: 'step', type: 'INT64', nullable: false, data: steps },
    { name: 'split', type: 'STRING', nullable: false, data: rows.map(({ row }) => row.split) },
    { name: 'wall_time', type: 'DOUBLE', nullable: false, data: rows.map(({ row }) => row.wallTime) },
  ];
}

/** A column per setting, of the narrowest type that holds it in every run. `taken`: names of other columns. */
function aboutColumns(rows: readonly Entry[], taken: readonly string[]): ColumnSource[] {
  const all = new Set(rows.flatMap(({ settings }) => [...settings.keys()]));
  const more = [...all].filter((name) => !ABOUT.includes(name)).sort();
  return [...ABOUT, ...more].map((name) => ({
    ...settingColumn(rows.map(({ settings }) => settings.get(name) ?? null)),
    name: taken.includes(name) ? `${name}_setting` : name,
    nullable: true,
  }));
}

function settingColumn(data: readonly (Setting | null)[]): {
  type: NonNullable<ColumnSource['type']>;
  data: unknown[];
} {
  const kinds = new Set(data.filter((value) => value !== null).map((value) => typeof value));
  if (kinds.size === 1 && kinds.has('boolean')) return { type: 'BOOLEAN', data: [...data] };
  if (kinds.size === 1 && kinds.has('number')) {
    const whole = data.every((value) => value === null || Number.isSafeInteger(value));
    if (!whole) return { type: 'DOUBLE', data: [...data] };
    return { type: 'INT64', data: data.map((value) => (value === null ? null : BigInt(value))) };
  }
  return { type: 'STRING', data: data.map((value) => (value === null ? null : String(value))) };
}

function numbers(name: string, data: readonly (number | null)[]): ColumnSource {
  const single = data.every((value) => value === null || Object.is(Math.fround(value), value));
  // the minimum and maximum of a column have no meaning where it holds NaN, and readers skip rows by them
  return { name, type: single ? 'FLOAT' : 'DOUBLE', nullable: true, data: [...data], statistics: false };
}
