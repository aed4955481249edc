import type { ParquetFile } from './decode.js';
import type { ParquetAnswer, ParquetCall } from './messages.js';

/** Answers calls about a file, one after another: in a process of its own, or in a worker of a page. */
export function parquetAnswers<F>(
  open: (file: F) => Promise<ParquetFile>,
): (request: ParquetCall<F>) => Promise<ParquetAnswer<unknown>> {
  let file: ParquetFile | null = null;
  return async (request) => {
    try {
      if (request.call === 'open') {
        file = await open(request.file);
        return { value: file.shape() };
      }
      if (!file) throw new Error('no file was opened');
      if (request.call === 'rows') return { value: file.rows(request.start, request.end) };
      await file.group(request.index, request.columns);
      return { value: null };
    } catch (error) {
      return { why: reasonOf(error) };
    }
  };
}

/** Errors of the language say that a number in the file led astray; others say what is wrong with it. */
function reasonOf(error: unknown): string {
  const known =
    error instanceof Error &&
    !(error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError);
  return known ? error.message.replace(/^parquet /, '') : 'its contents are damaged';
}
