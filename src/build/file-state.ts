import { type BigIntStats, statSync } from 'node:fs';
import { isSystemError } from '../ir/files/system-error.js';

/** Files by their paths, with their states: which file it is, its size and its times. */
export type States = ReadonlyMap<string, string>;

/** The state of a path where there is no file. */
export const ABSENT = 'none';

/** The state of what is at a path now: other bytes are another state, unless they come within one tick of the clock of files. */
export function stateAt(path: string): string {
  try {
    const stat = statOf(path);
    return stat === null ? ABSENT : stateOf(stat);
  } catch (error) {
    if (isSystemError(error)) return error.code ?? ABSENT;
    throw error;
  }
}

/** What the system knows of a file, null where there is none. Throws what the system says of one that it does not show. */
export function statOf(path: string): BigIntStats | null {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false }) ?? null;
  } catch (error) {
    // a folder of the path is a file
    if (isSystemError(error) && error.code === 'ENOTDIR') return null;
    throw error;
  }
}

export const stateOf = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  [dev, ino, size, mtimeNs, ctimeNs].join(':');
