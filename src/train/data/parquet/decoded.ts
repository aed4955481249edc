import { badData } from '../../../ir/codes/train.js';
import { type Diagnostic, fail } from '../../../ir/diagnostics.js';
import type { DataRow } from '../records.js';
import type { ParquetAnswer, ParquetCall, ParquetRows, ParquetShape } from './messages.js';

/** Rows that travel at once. */
const STRETCH = 1000;

/**
 * Seconds that decoding a row group may take: a number in a damaged file may ask for work without end. Tens of megabytes are
 * decoded in a second.
 */
const limitOf = (bytes: number): number => 15 + Math.ceil(bytes / 1e6);

/** How a call may end without an answer. */
export interface ParquetLimit {
  readonly seconds: number;
  readonly tooLong: Diagnostic;
  ended(how: string): Diagnostic;
}

/** What decodes a file elsewhere: a process of its own, or a worker of a page. */
export interface ParquetDecoder<F> {
  /** what `open` names the file by */
  readonly opened: F;
  readonly bytes: number;
  /** what can be done about a file that cannot be read */
  readonly hint: string;
  ask(call: ParquetCall<F>, limit: ParquetLimit): Promise<unknown>;
  /** throws when the file changed meanwhile */
  checkUnchanged(): Promise<void>;
  close(): void;
}

/** Records of a file, of the columns that are wanted, after the first `from` rows. Throws LOTR8204. */
export async function decodedRows<F>(
  file: string,
  decoder: ParquetDecoder<F>,
  wanted: ReadonlySet<string>,
  from: number,
): Promise<{ readonly columns: readonly string[]; readonly rows: AsyncGenerator<DataRow> }> {
  const { hint } = decoder;
  const seconds = limitOf(decoder.bytes);
  const damaged = (why: string) => badData({ file, why, hint });
  const ask = async <T>(call: ParquetCall<F>): Promise<T> => {
    const answer = (await decoder.ask(call, {
      seconds,
      tooLong: damaged(`a row group takes more than ${seconds} s to decode`),
      ended: (how) => damaged(`the process that decodes it ended ${how}`),
    })) as ParquetAnswer<T>;
    return 'value' in answer ? answer.value : fail(damaged(`it cannot be read as Parquet: ${answer.why}`));
  };
  try {
    const { columns, groups } = await ask<ParquetShape>({ call: 'open', file: decoder.opened });
    const read = columns.filter((name) => wanted.has(name));
    const rows = async function* (): AsyncGenerator<DataRow> {
      try {
        let line = 0;
        for (const [index, size] of read.length === 0 ? [] : groups.entries()) {
          if (line + size <= from) {
            line += size;
            continue;
          }
          await ask({ call: 'group', index, columns: read });
          for (let start = 0; start < size; start += STRETCH) {
            const end = Math.min(size, start + STRETCH);
            const part = await ask<ParquetRows>({ call: 'rows', start, end });
            if (part.length < end - start) fail(damaged(`row group ${index} has less rows than it says`));
            for (const value of part) if (++line > from) yield { line, value };
          }
        }
        await decoder.checkUnchanged();
      } finally {
        decoder.close();
      }
    };
    return { columns, rows: rows() };
  } catch (error) {
    decoder.close();
    throw error;
  }
}
