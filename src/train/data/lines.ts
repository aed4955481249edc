import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { badData } from '../../ir/codes/train.js';
import { fail } from '../../ir/diagnostics.js';
import { isSystemError } from '../../ir/files/atomic.js';

const CHUNK = 1 << 20;
const NEWLINE = 0x0a;

/** The lines of a file without their ends, with their numbers from 1; nothing but the current chunk is held. Throws LOTR8204. */
export function* readLines(file: string): Generator<{ readonly line: number; readonly bytes: Uint8Array }> {
  const fd = opened(file, () => openSync(file, 'r'));
  try {
    let rest = Buffer.alloc(0);
    for (let line = 1; ; ) {
      const chunk = Buffer.allocUnsafe(CHUNK);
      const length = opened(file, () => readSync(fd, chunk, 0, CHUNK, null));
      if (length === 0) {
        if (rest.byteLength > 0) yield { line, bytes: trimmed(rest) };
        return;
      }
      const held = Buffer.concat([rest, chunk.subarray(0, length)]);
      let start = 0;
      for (let end = held.indexOf(NEWLINE); end >= 0; end = held.indexOf(NEWLINE, start)) {
        yield { line: line++, bytes: trimmed(held.subarray(start, end)) };
        start = end + 1;
      }
      rest = held.subarray(start);
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
