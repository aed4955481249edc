import { LotrcError } from '../../src/ir/diagnostics.js';
import { decodedRows, type ParquetDecoder } from '../../src/train/data/parquet/decoded.js';
import type { ParquetReader } from '../../src/train/data/read-data.js';

/** Reads Parquet files of a page, each decoded in a worker of its own that can be ended. */
export const parquetIn =
  (files: ReadonlyMap<string, File>): ParquetReader =>
  async (source, wanted, again) => {
    // the digest is of what is decoded below
    if (!again) await source.contents();
    return decodedRows(source.file, decoderOf(files.get(source.file)!), wanted, again?.from ?? 0);
  };

function decoderOf(file: File): ParquetDecoder<File> {
  const worker = new Worker(new URL('./parquet-worker.ts', import.meta.url), { type: 'module' });
  return {
    opened: file,
    bytes: file.size,
    hint: 'write it again with another program, compressed with Snappy or not at all, or give JSON Lines; `lotrc train` reads more kinds',
    async ask(call, { seconds, tooLong, ended }) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const answered = new Promise<unknown>((resolve, reject) => {
        timer = setTimeout(() => reject(new LotrcError(tooLong)), 1000 * seconds);
        worker.onmessage = ({ data }: MessageEvent<unknown>) => resolve(data);
        worker.onerror = ({ message }) =>
          reject(new LotrcError(ended(message ? `with ${message}` : 'when it was loaded')));
        worker.postMessage(call);
      });
      return answered.finally(() => clearTimeout(timer));
    },
    // a File that changes refuses to be read
    checkUnchanged: async () => undefined,
    close: () => worker.terminate(),
  };
}
