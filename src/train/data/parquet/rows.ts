import { resolve } from 'node:path';
import { compiledProgram, WorkerProcess } from '../../../backends/ort/worker-process.js';
import { fileChanged } from '../../../ir/codes/load.js';
import { badData } from '../../../ir/codes/train.js';
import { fail } from '../../../ir/diagnostics.js';
import type { DataRow } from '../records.js';
import { regularFile } from '../regular-file.js';
import type { Source } from '../source.js';
import type { ParquetAnswer, ParquetCall, ParquetRows, ParquetShape } from './messages.js';

/** Rows that travel at once. */
const STRETCH = 1000;
/**
 * Seconds that decoding a row group may take: a number in a damaged file may ask for work without end. Tens of megabytes are
 * decoded in a second.
 */
const limitOf = (bytes: number): number => 15 + Math.ceil(bytes / 1e6);

/**
 * Records of a Parquet file, of the columns that are wanted; `line` is the number of the row, from 1. One row group at a time
 * is held, in another process. `again`: of a file whose digest is known, those after the first `from` rows. Throws LOTR8204 for a
 * file that cannot be read, LOTR1006 for one that changes meanwhile.
 */
export async function parquetRows(
  source: Source,
  wanted: ReadonlySet<string>,
  again?: { readonly from: number },
): Promise<{ readonly columns: readonly string[]; readonly rows: AsyncGenerator<DataRow> }> {
  const { file } = source;
  const { size: bytes, identity: before } = await regularFile(file, WHY_REGULAR);
  // the digest is of what is decoded below
  if (!again) await source.contents();
  const from = again?.from ?? 0;
  const seconds = limitOf(bytes);
  const worker = new WorkerProcess(compiledProgram(import.meta.url, 'child.js'), { again: false });
  const ask = async <T>(call: ParquetCall): Promise<T> => {
    const damaged = (why: string) => badData({ file, why, hint: HINT });
    const answer = (await worker.ask(call, {
      ended: (how) => damaged(`the process that decodes it ended ${how}`),
      limit: { seconds, diagnostic: damaged(`a row group takes more than ${seconds} s to decode`) },
    })) as ParquetAnswer<T>;
    return 'value' in answer ? answer.value : fail(damaged(`it cannot be read as Parquet: ${answer.why}`));
  };
  try {
    const { columns, groups } = await ask<ParquetShape>({ call: 'open', file: resolve(file) });
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
            if (part.length < end - start)
              fail(badData({ file, why: `row group ${index} has less rows than it says`, hint: HINT }));
            for (const value of part) if (++line > from) yield { line, value };
          }
        }
        if ((await regularFile(file, WHY_REGULAR)).identity !== before) fail(fileChanged({ file }));
      } finally {
        worker.close();
      }
    };
    return { columns, rows: rows() };
  } catch (error) {
    worker.close();
    throw error;
  }
}

const HINT =
  'write it again with another program, compressed with Snappy, gzip, Brotli or (Node.js 22.15) zstd or not at all, or give JSON Lines';

const WHY_REGULAR = 'Parquet is read from its end';
