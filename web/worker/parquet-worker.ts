import { parquetAnswers } from '../../src/train/data/parquet/answers.js';
import { ParquetFile } from '../../src/train/data/parquet/decode.js';
import type { ParquetCall } from '../../src/train/data/parquet/messages.js';

/** The worker that decodes a Parquet file; see parquet.ts. */

const answer = parquetAnswers((file: File) =>
  ParquetFile.open(
    { byteLength: file.size, slice: (start, end = file.size) => file.slice(start, end).arrayBuffer() },
    {},
  ),
);

addEventListener('message', async ({ data }: MessageEvent<ParquetCall<File>>) =>
  postMessage(await answer(data)),
);
