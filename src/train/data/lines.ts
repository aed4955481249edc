import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { badData } from '../../ir/codes/train.js';
import { fail } from '../../ir/diagnostics.js';
import { isSystemError } from '../../ir/files/atomic.js';

const CHUNK = 1 << 20;
const NEWLINE = 0x0a;
/** A line is held whole, and as text: longer ones are refused. */
const MAX_LINE = 256 << 20;

/** The lines of a file without their ends, with their numbers from 1; nothing but the current chunk is held. Throws LOTR8204. */
export function* readLines(file: string): Generator<{ readonly line: number; readonly bytes: Uint8Array }> {
  const fd = opened(file, () => openSync(file, 'r'));
  try {
    // parts of the line that has not ended yet
    let parts: Buffer[] = [];
    let held = 0;
    const whole = (end: Buffer) => trimmed(parts.length === 0 ? end : Buffer.concat([...parts, end]));
    for (let line = 1; ; ) {
      const chunk = Buffer.allocUnsafe(CHUNK);
      const length = opened(file, () => readSync(fd, chunk, 0, CHUNK, null));
      if (length === 0) {
        if (held > 0) yield { line, bytes: whole(Buffer.alloc(0)) };
        return;
      }
      const read = chunk.subarray(0, length);
      let start = 0;
      for (let end = read.indexOf(NEWLINE); end >= 0; end = read.indexOf(NEWLINE, start)) {
        yield { line: line++, bytes: whole(read.subarray(start, end)) };
        parts = [];
        held = 0;
        start = end + 1;
      }
      if (start < length) parts.push(read.subarray(start));
      held += length - start;
      if (held > MAX_LINE) {
        const why = `line ${line} is longer than ${MAX_LINE} bytes`;
        fail(badData({ file, why, hint: 'divide the text into lines' }));
      }
    }
  } finally {
    closeSync(fd);
  }
}

/** A whole file. Throws LOTR8204. */
export function readAll(file: string): Uint8Array {
  return opened(file, () => readFileSync(file));
}

function opened<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!isSystemError(error) && !(error instanceof RangeError)) throw error;
    return fail(badData({ file, why: `it cannot be read: ${error.message}` }));
  }
}

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
