import { constants as buffers } from 'node:buffer';
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { isSystemError } from './system-error.js';
import { Unreadable } from './unreadable.js';

/**
 * Reading files at paths that others chose. Only regular files: a pipe may wait for ever, and a device may never end. Opening
 * does not wait either.
 */

/** Opening a pipe would otherwise wait until something writes to it. Absent on Windows. */
export const AT_ONCE = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** Opens a regular file; whoever called closes it. Throws {@link Unreadable}. */
export function openRegular(path: string): { readonly fd: number; readonly stat: BigIntStats } {
  const fd = attempt(() => openSync(path, AT_ONCE));
  const stat = fstatSync(fd, { bigint: true });
  if (stat.isFile()) return { fd, stat };
  closeSync(fd);
  throw new Unreadable(stat.isDirectory() ? 'it is a folder' : 'it is not a regular file');
}

/** A regular file whole. Throws {@link Unreadable}, also when it has more bytes than `most`, which a text can have at all. */
export function readRegular(path: string, most: number = buffers.MAX_STRING_LENGTH): Buffer {
  const { fd, stat } = openRegular(path);
  try {
    if (stat.size > most) throw new Unreadable(`it has ${stat.size} bytes, and the limit is ${most}`);
    return attempt(() => readFileSync(fd));
  } finally {
    closeSync(fd);
  }
}

function attempt<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (isSystemError(error) || error instanceof RangeError || isBadPath(error))
      throw new Unreadable(error.message);
    throw error;
  }
}

/** A path with a zero byte, which Node refuses before it asks the system. */
const isBadPath = (error: unknown): error is NodeJS.ErrnoException =>
  (error as NodeJS.ErrnoException).code === 'ERR_INVALID_ARG_VALUE';
