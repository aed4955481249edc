import { concatBytes } from '../../ir/bytes.js';
import { badData } from '../../ir/codes/train.js';
import { fail } from '../../ir/diagnostics.js';
import type { Source } from './source.js';

const NEWLINE = 0x0a;

/**
 * Bytes of one line or record. It becomes tokens at once, which takes up to 2 seconds and 250 MB for each MiB, and no signal
 * is seen meanwhile by those who wait for it.
 */
export const MAX_RECORD = 8 << 20;

/** Throws LOTR8204 for a line, or a record of a table, that is too long. */
export function tooLong(file: string, line: number, hint: string): never {
  const why = `line ${line} is longer than ${MAX_RECORD} bytes`;
  return fail(badData({ file, why, hint }));
}

/** The lines of a file without their ends, with their numbers from 1. Throws LOTR8204, and as `contentChunks`. */
export async function* readLines(
  source: Source,
): AsyncGenerator<{ readonly line: number; readonly bytes: Uint8Array }> {
  // parts of the line that has not ended yet
  let parts: Uint8Array[] = [];
  let held = 0;
  let line = 1;
  const whole = (end: Uint8Array) => {
    if (held + end.length > MAX_RECORD) tooLong(source.file, line, DIVIDE);
    return trimmed(parts.length === 0 ? end : concatBytes([...parts, end]));
  };
  for await (const chunk of source.contentChunks()) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const bytes = whole(chunk.subarray(start, end));
      yield { line, bytes };
      line++;
      parts = [];
      held = 0;
      start = end + 1;
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
    held += chunk.length - start;
    if (held > MAX_RECORD) tooLong(source.file, line, DIVIDE);
  }
  if (held > 0) yield { line, bytes: whole(new Uint8Array(0)) };
}

const DIVIDE =
  'divide the text into several lines or records, or make the token ids with another program and give them as a .safetensors file';

function trimmed(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === 0x0d ? bytes.subarray(0, -1) : bytes;
}

const strict = new TextDecoder('utf-8', { fatal: true });

/** The bytes as text; null when they are not UTF-8. A byte order mark at the start is dropped. */
export function utf8(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}
