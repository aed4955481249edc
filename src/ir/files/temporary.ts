import { createHash, randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isFolder } from './folders.js';
import { isLockName, sweepLock } from './lock.js';
import { isRunning } from './processes.js';
import { isSystemError } from './system-error.js';

/** Temporary files of other machines on a shared disk are left alone for a day. */
const DAY = 24 * 60 * 60 * 1000;
const OWN_HOST = createHash('sha256').update(hostname()).digest('hex').slice(0, 6);

/**
 * A new random name in the folder of the output: `.NAME.HOST-PID-RANDOM.tmp`. It says which process writes the file, so that
 * one whose process was killed can be told from one that is being written.
 */
export function temporaryName(path: string): string {
  const owner = `${OWN_HOST}-${process.pid}-${randomBytes(6).toString('hex')}`;
  return join(dirname(path), `${prefixOf(path)}${owner}.tmp`);
}

/** The start of a long name only: the whole name must fit what file systems take. */
function prefixOf(path: string): string {
  return `.${[...basename(path)].slice(0, 40).join('')}.`;
}

/**
 * Removes what processes that have ended left in the folders of these outputs: temporary files of the same outputs, and all
 * locks, since the next command need not write the same.
 */
export function sweepStale(paths: readonly string[]): void {
  for (const folder of new Set(paths.map((path) => dirname(path)))) {
    if (!isFolder(folder)) continue;
    const prefixes = paths.filter((path) => dirname(path) === folder).map(prefixOf);
    for (const name of readdirSync(folder)) {
      if (isLockName(name)) sweepLock(join(folder, name));
      const prefix = name.startsWith('.') && prefixes.find((start) => name.startsWith(start));
      const owner = prefix && /^([0-9a-f]{6})-(\d+)-[0-9a-f]{12}\.tmp$/.exec(name.slice(prefix.length));
      if (owner) removeStale(join(folder, name), owner[1]!, Number(owner[2]));
    }
  }
}

function removeStale(file: string, host: string, pid: number): void {
  try {
    const stat = lstatSync(file);
    const old = Date.now() - stat.mtimeMs > DAY;
    if (stat.isFile() && (host === OWN_HOST ? !isRunning(pid) || old : old)) rmSync(file, { force: true });
  } catch (error) {
    // another process was faster, or the file is another user's: it is not needed
    if (!isSystemError(error)) throw error;
  }
}
