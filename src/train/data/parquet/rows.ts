import { resolve } from 'node:path';
import { compiledProgram, WorkerProcess } from '../../../backends/ort/worker-process.js';
import { fileChanged } from '../../../ir/codes/load.js';
import { fail } from '../../../ir/diagnostics.js';
import type { DataRow } from '../records.js';
import { regularFile } from '../regular-file.js';
import type { Source } from '../source.js';
import { decodedRows, type ParquetLimit } from './decoded.js';

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
  const worker = new WorkerProcess(compiledProgram(import.meta.url, 'child.js'), { again: false });
  const decoder = {
    ...{ opened: resolve(file), bytes, hint: HINT },
    ask: (call: object, { seconds, tooLong, ended }: ParquetLimit) =>
      worker.ask(call, { ended, limit: { seconds, diagnostic: tooLong } }),
    async checkUnchanged() {
      if ((await regularFile(file, WHY_REGULAR)).identity !== before) fail(fileChanged({ file }));
    },
    close: () => worker.close(),
  };
  return decodedRows(file, decoder, wanted, again?.from ?? 0);
}

const HINT =
  'write it again with another program, compressed with Snappy, gzip, Brotli or (Node.js 22.15) zstd or not at all, or give JSON Lines';

const WHY_REGULAR = 'Parquet is read from its end';
