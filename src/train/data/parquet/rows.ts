import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { compiledProgram, WorkerProcess } from '../../../backends/ort/worker-process.js';
import { fileChanged } from '../../../ir/codes/load.js';
import { badData } from '../../../ir/codes/train.js';
import { fail } from '../../../ir/diagnostics.js';
import { identity } from '../../../ir/files/file-source.js';
import { isSystemError } from '../../../ir/files/system-error.js';
import type { DataRow } from '../records.js';
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
 * is held, in another process. Throws LOTR8204 for a file that cannot be read, LOTR1006 for one that changes meanwhile.
 */
export async function parquetRows(
  source: Source,
  wanted: ReadonlySet<string>,
): Promise<{ readonly columns: readonly string[]; readonly rows: AsyncGenerator<DataRow> }> {
  const { file } = source;
  const { size: bytes, identity: before } = await found(file);
  // the digest is of what is decoded below
  await source.contents();
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
          await ask({ call: 'group', index, columns: read });
          for (let start = 0; start < size; start += STRETCH) {
            const end = Math.min(size, start + STRETCH);
            const part = await ask<ParquetRows>({ call: 'rows', start, end });
            if (part.length < end - start)
              fail(badData({ file, why: `row group ${index} has less rows than it says`, hint: HINT }));
            for (const value of part) yield { line: ++line, value };
          }
        }
        if ((await found(file)).identity !== before) fail(fileChanged({ file }));
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

async function found(file: string): Promise<{ readonly size: number; readonly identity: string }> {
  const stats = await stat(file, { bigint: true }).catch((error: unknown) => {
    if (!isSystemError(error)) throw error;
    return fail(badData({ file, why: `it cannot be read: ${error.message}` }));
  });
  if (!stats.isFile()) fail(badData({ file, why: 'it is not a regular file: Parquet is read from its end' }));
  return { size: Number(stats.size), identity: identity(stats) };
}
