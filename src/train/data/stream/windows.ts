import { badData } from '../../../ir/codes/train.js';
import { type Diagnostic, fail } from '../../../ir/diagnostics.js';
import { BadLines, type BadRecords } from '../bad-lines.js';
import type { Dataset } from '../dataset.js';
import { textPieces, type Windows, windowDataset } from '../language.js';
import { parquetRows } from '../parquet/rows.js';
import type { DataOptions } from '../read-data.js';
import { recordsOf } from '../record-files.js';
import type { LabelsOf, ReadRows, RecordReader } from '../record-reader.js';
import { type DataRow, noRecords } from '../records.js';
import { paced } from '../source.js';
import type { Tokenizer } from '../tokenizer.js';
import type { Item, ItemPlace, SeveralFiles } from './items.js';

/** Where a window starts; `skip`: tokens of a piece of text that belong to the window before. */
export interface WindowPlace extends ItemPlace {
  readonly skip: number;
}

export const START: WindowPlace = { file: 0, row: 0, skip: 0 };

/** Some neighbouring examples, which are shuffled among themselves. */
export interface ReadWindow extends ReadRows {
  readonly at: WindowPlace;
}

/** Lines of several files are numbered on: a file has fewer, and so many files have numbers that are exact. */
const LINES_OF_FILE = 2 ** 33;

/** Records that cannot be used, of several files. */
export function badLinesOf(
  files: readonly string[],
  name: string,
  policy: DataOptions['badLines'],
): BadLines {
  return new BadLines(files.length === 1 ? files[0]! : name, policy, (line) => ({
    file: files[Math.floor(line / LINES_OF_FILE)]!,
    line: line % LINES_OF_FILE,
  }));
}

/** How records are read window by window. */
export interface RecordWindows {
  readonly files: SeveralFiles;
  readonly name: string;
  readonly options: DataOptions;
  /** records of a window */
  readonly size: number;
}

/**
 * Rows of so many records after others, from a place on; windows in which no record can be used are left out. `tell` hears what
 * is to be said of a file when it was read. Throws LOTR8204 when tables have other columns than the first one, and those of the readers.
 */
export async function* recordWindows(
  { files, name, options, size }: RecordWindows,
  reader: RecordReader,
  from: WindowPlace,
  bad: BadRecords,
  labelsOf: LabelsOf,
  tell: (notes: readonly Diagnostic[]) => void = () => {},
): AsyncGenerator<ReadWindow> {
  let columns: readonly string[] | null = null;
  const items = files.items<DataRow>(from, async (source, file, again) => {
    const first = file * LINES_OF_FILE;
    const add = (line: number, why: string) => bad.add(first + line, why);
    const records = await recordsOf(source, options, { add }, parquetRows, again);
    if (columns && records.columns) requireSameColumns(source.file, records.columns, columns);
    columns ??= records.columns;
    return (async function* () {
      for await (const row of records.rows) yield { ...row, line: first + row.line };
      tell(records.notes());
    })();
  });
  let next = await items.next();
  while (next.done === false) {
    const { file, row, value } = next.value;
    let count = 0;
    const part = async function* (): AsyncGenerator<DataRow> {
      for (; next.done === false && count < size; next = await items.next()) {
        count++;
        yield next.value.value;
      }
    };
    const rows = { file: name, columns, rows: paced(part()), part: true, peek: value } as const;
    const made = await reader.read(rows, bad, labelsOf);
    if (made.dataset.size > 0) yield { ...made, at: { file, row, skip: 0 } };
  }
}

function requireSameColumns(file: string, own: readonly string[], first: readonly string[]): void {
  if ([...own].sort().join('\n') === [...first].sort().join('\n')) return;
  const why = `its columns are ${own.join(', ')}, and those of the first file ${first.join(', ')}`;
  fail(badData({ file, why, hint: 'give files with the same columns' }));
}

/** The first record of several files, and the file. Throws LOTR8204 when there is none. */
export async function firstRecord({ files, name, options }: RecordWindows): Promise<DataRow> {
  const bad = badLinesOf(files.files, name, options.badLines);
  const items = files.items<DataRow>(START, async (source, file) => {
    const add = (line: number, why: string) => bad.add(file * LINES_OF_FILE + line, why);
    return (await recordsOf(source, options, { add }, parquetRows)).rows;
  });
  const { value } = (await items.next()) as { readonly value?: Item<DataRow> };
  await items.return(undefined);
  return value?.value ?? noRecords(name);
}

/**
 * Running text, whose files follow each other without a break, in windows of `size` rows; the same rows as of one file with
 * all of it. Throws LOTR8204 for less than two tokens.
 */
export async function* textWindows(
  files: SeveralFiles,
  name: string,
  cut: Windows,
  size: number,
  tokenizer: Tokenizer,
  from: WindowPlace,
): AsyncGenerator<{ readonly at: WindowPlace; readonly dataset: Dataset }> {
  const stride = size * (cut.shift ? cut.length - 1 : cut.length);
  // the pieces of text whose tokens are held, each from the first token that is
  const held: { at: WindowPlace; ids: Int32Array }[] = [];
  let count = 0;
  let any = false;
  const take = (most: number) => {
    const ids = new Int32Array(Math.min(count, most));
    let at = 0;
    for (const piece of held) {
      if (at === ids.length) break;
      const part = piece.ids.subarray(0, ids.length - at);
      ids.set(part, at);
      at += part.length;
    }
    any = true;
    return { at: held[0]?.at ?? START, dataset: windowDataset(ids, cut, tokenizer, name) };
  };
  const drop = (tokens: number) => {
    count -= tokens;
    for (let left = tokens; left > 0; ) {
      const [{ at, ids }] = held as [(typeof held)[0]];
      if (ids.length > left) held[0] = { at: { ...at, skip: at.skip + left }, ids: ids.subarray(left) };
      else held.shift();
      left -= ids.length;
    }
  };
  const pieces = files.items<string>(from, async (source, _, again) =>
    after(textPieces(source), again?.from ?? 0),
  );
  for await (const { file, row, value } of pieces) {
    const all = Int32Array.from(tokenizer.plain(value));
    const skip = file === from.file && row === from.row ? from.skip : 0;
    if (all.length > skip) held.push({ at: { file, row, skip }, ids: all.subarray(skip) });
    count += Math.max(0, all.length - skip);
    // one token more: the last row predicts it
    while (count > stride) {
      yield take(stride + 1);
      drop(stride);
    }
  }
  if (count > 1 || !any) yield take(stride + 1);
}

/** Items after the first ones. */
async function* after<T>(items: AsyncIterable<T>, count: number): AsyncGenerator<T> {
  let left = count;
  for await (const item of items) if (left-- <= 0) yield item;
}
