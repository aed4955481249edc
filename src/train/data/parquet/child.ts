import { answerRequests } from '../../../backends/ort/answer.js';
import { ParquetFile } from './decode.js';
import type { ParquetAnswer, ParquetCall } from './messages.js';

/** The program of the process that decodes a Parquet file; see rows.ts. */

let file: ParquetFile | null = null;

answerRequests<ParquetCall>(async (request): Promise<ParquetAnswer<unknown>> => {
  try {
    if (request.call === 'open') {
      file = await ParquetFile.open(request.file);
      return { value: file.shape() };
    }
    if (!file) throw new Error('no file was opened');
    if (request.call === 'rows') return { value: file.rows(request.start, request.end) };
    await file.group(request.index, request.columns);
    return { value: null };
  } catch (error) {
    return { why: reasonOf(error) };
  }
});

/** Errors of the language say that a number in the file led astray; others say what is wrong with it. */
function reasonOf(error: unknown): string {
  const known =
    error instanceof Error &&
    !(error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError);
  return known ? error.message.replace(/^parquet /, '') : 'its contents are damaged';
}
