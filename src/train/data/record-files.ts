import { quotesKept } from '../../ir/codes/train-data.js';
import type { Diagnostic } from '../../ir/diagnostics.js';
import type { BadRecords } from './bad-lines.js';
import type { DataOptions, ParquetReader } from './read-data.js';
import { type DataRow, jsonLines, type Rows, tableRows } from './records.js';
import type { Source } from './source.js';
import { extensionOf } from './unpack.js';

/** Records of conversations may have it; see chat.ts. */
const TOOLS = 'tools';

export interface OpenedRecords extends Rows {
  /** the first record; null when there is none */
  readonly peek: DataRow | null;
  /** what is to be said when all records were read */
  notes(): readonly Diagnostic[];
}

/** Whether a file has records, by its extension; others are plain text or tensors. */
export const hasRecords = (file: string): boolean => extensionOf(file) in READERS;

/**
 * The records of a file; `again`: of one whose digest is known, those after the first `from`. Throws LOTR8204, LOTR8205 and those of
 * the readers.
 */
export async function recordsOf(
  source: Source,
  options: Pick<DataOptions, 'quote' | 'fields'>,
  bad: BadRecords,
  parquet: ParquetReader,
  again?: { readonly from: number },
): Promise<OpenedRecords> {
  const read = READERS[extensionOf(source.file) as keyof typeof READERS];
  const { rows, notes = () => [], columns, skipped = 0 } = await read(source, options, bad, parquet, again);
  const all = source.rows(rows);
  for (let left = (again?.from ?? 0) - skipped; left > 0; left--) await all.next();
  return { file: source.file, columns, ...(await peeked(all)), notes };
}

interface ReadRecords {
  readonly columns: readonly string[] | null;
  readonly rows: AsyncGenerator<DataRow>;
  /** rows that were left out already */
  readonly skipped?: number;
  notes?(): readonly Diagnostic[];
}

type Read = (
  source: Source,
  options: Pick<DataOptions, 'quote' | 'fields'>,
  bad: BadRecords,
  parquet: ParquetReader,
  again?: { readonly from: number },
) => Promise<ReadRecords>;

const readJson: Read = async (source, _, bad) => ({ columns: null, rows: jsonLines(source, bad) });

const readParquet: Read = async (source, { fields }, _, parquet, again) => {
  const rows = await parquet(source, new Set([...Object.values(fields), TOOLS]), again);
  return { ...rows, skipped: again?.from ?? 0 };
};

/** `usual`: the character that quotes where no option says */
const readTable =
  (delimiter: string, usual: string | null): Read =>
  async (source, { quote, fields }, bad) => {
    const { file } = source;
    const table = await tableRows(source, delimiter, quote === 'none' ? null : (quote ?? usual), bad);
    if (quote !== null || usual !== null) return table;
    let [all, quoted] = [0, 0];
    const counted = async function* () {
      for await (const row of table.rows) {
        all++;
        if (/^".*"$/s.test(String(row.value[fields.text] ?? ''))) quoted++;
        yield row;
      }
    };
    const notes = () => (2 * quoted > all ? [quotesKept({ file, count: quoted })] : []);
    return { columns: table.columns, rows: counted(), notes };
  };

const READERS = {
  '.jsonl': readJson,
  '.ndjson': readJson,
  '.parquet': readParquet,
  '.csv': readTable(',', '"'),
  '.tsv': readTable('\t', null),
} as const;

/** The first row, and all of them. */
async function peeked(rows: AsyncGenerator<DataRow>) {
  const { value: peek = null } = (await rows.next()) as { readonly value?: DataRow };
  const all = async function* () {
    if (peek) yield peek;
    yield* rows;
  };
  return { peek, rows: all() };
}
