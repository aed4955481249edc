import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { cannotWrite, heldByOther } from '../codes/load.js';
import { fail, LotrcError } from '../diagnostics.js';
import { parseJson } from './json.js';
import { pause } from './pause.js';
import { canBeSeen, type ProcessMark, stillRuns, thisProcess } from './processes.js';
import { nullable, object, text, whole } from './schema.js';
import { isSystemError } from './system-error.js';

/** What a lock file says: which process holds the lock, since when, and for what. `id` is the lock's own. */
interface Entry extends ProcessMark {
  readonly id: string;
  readonly since: string;
  readonly command: string;
}

const entrySchema = object<Entry>({
  id: text,
  host: text,
  space: nullable(text),
  pid: whole(1),
  start: nullable(text),
  since: text,
  command: text,
});

/** A lock that is in the way. Without an entry it does not say who holds it. */
interface Seen {
  readonly file: string;
  readonly id: string;
  readonly entry: Entry | null;
  /** made, and never filled: its process was killed between the two */
  readonly empty: boolean;
}

/** Longer files are none of ours. */
const MAX_BYTES = 1 << 14;
const MAX_COMMAND = 400;
/** So often a lock that is just being made, or taken over, is looked at again. */
const PATIENCE = 25;
const PAUSE_MS = 20;

/**
 * The lock of a path: a small file in the same folder that holds it for one process. Invariants:
 * - A lock file is only ever made new, so of several processes one gets it.
 * - It is removed by its holder, or, once that process has ended, by whoever holds the lock on its removal. That lock is
 *   named after the id of the one to be removed, so no lock is ever removed in place of an earlier one.
 */
export class FileLock {
  readonly #file: string;
  readonly #id: string;

  private constructor(file: string, id: string) {
    this.#file = file;
    this.#id = id;
  }

  /**
   * Takes the lock of a path in a folder that exists, also from a process that has ended. Throws LOTR1205 when another process
   * holds it, LOTR1201 for a link or anything else in its place, and errors of the system. `shown`: what messages call the path.
   */
  static take(path: string, shown = path): FileLock {
    const file = lockFile(path);
    const entry = ownEntry();
    const other = acquire(file, entry);
    if (other !== null) refuse(shown, other);
    return new FileLock(file, entry.id);
  }

  /** Where the lock is, and its id, for who removes it when this process is killed. */
  get place(): readonly [file: string, id: string] {
    return [this.#file, this.#id];
  }

  /** What cannot be removed stays: it will be seen that this process has ended. */
  release(): void {
    try {
      // it may have been removed by hand, and be another's by now
      if (look(this.#file)?.id === this.#id) rmSync(this.#file, { force: true });
    } catch (error) {
      if (!(error instanceof LotrcError || isSystemError(error))) throw error;
    }
  }
}

/** Throws LOTR1205 when a process that may still run holds the lock of the path. Takes nothing. */
export function requireFree(path: string, shown = path): void {
  const seen = look(lockFile(path));
  if (seen !== null && !hasEnded(seen)) refuse(shown, seen);
}

/** The lock file of a path. Long names are shortened: the whole name must fit what file systems take. */
export function lockFile(path: string): string {
  const name = basename(path);
  const start = [...name].slice(0, 40).join('');
  const rest = start === name ? '' : `-${createHash('sha256').update(name).digest('hex').slice(0, 12)}`;
  return join(dirname(path), `.${start}${rest}.lotrc.lock`);
}

/** Whether a name is one of a lock, or of a lock on its removal. */
export function isLockName(name: string): boolean {
  return /^\..+\.lotrc\.lock(\.[0-9a-f]{12})*$/.test(name);
}

/** Removes a lock that nobody holds any more, and a lock on the removal of one that is gone. */
export function sweepLock(file: string): void {
  try {
    const [, lock, id] = /^(.*)\.([0-9a-f]{12})$/s.exec(file) ?? [];
    if (lock !== undefined) {
      // no lock gets this id again
      if (look(lock)?.id !== id) rmSync(file, { force: true });
      return;
    }
    const seen = look(file);
    if (seen !== null && hasEnded(seen)) removeEnded(seen, ownEntry());
  } catch (error) {
    // it is another user's, or not a file
    if (!(error instanceof LotrcError || isSystemError(error))) throw error;
  }
}

function ownEntry(): Entry {
  const [script = '', ...words] = process.argv.slice(1);
  const command = [basename(script), ...words].join(' ').slice(0, MAX_COMMAND);
  const since = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  return { id: randomBytes(6).toString('hex'), ...thisProcess(), since, command };
}

/** Makes the lock file, or gives the lock that is in the way. */
function acquire(file: string, entry: Entry): Seen | null {
  for (let tries = 1; ; tries++) {
    if (make(file, entry)) return null;
    const seen = look(file);
    if (seen === null) continue;
    if (!hasEnded(seen)) return seen;
    const other = removeEnded(seen, entry);
    if (other === null) continue;
    if (tries === PATIENCE) return other;
    pause(PAUSE_MS);
  }
}

/** Removes a lock that nobody holds any more, or gives the lock of the process that does so. */
function removeEnded({ file, id }: Seen, entry: Entry): Seen | null {
  const removal = `${file}.${id}`;
  const other = acquire(removal, entry);
  if (other !== null) return other;
  try {
    if (look(file)?.id === id) rmSync(file, { force: true });
  } finally {
    rmSync(removal, { force: true });
  }
  return null;
}

/** Makes a lock file where there is none. */
function make(file: string, entry: Entry): boolean {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW = 0 } = constants;
  let fd: number;
  try {
    fd = openSync(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o666);
  } catch (error) {
    if (isSystemError(error) && error.code === 'EEXIST') return false;
    throw error;
  }
  try {
    writeFileSync(fd, `${JSON.stringify(entry)}\n`);
    return true;
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** The lock at a place, null when there is none. One without contents is given time to get some. */
function look(file: string): Seen | null {
  for (let tries = 1; ; tries++) {
    const contents = contentsOf(file);
    if (contents === null) return null;
    if (contents !== '') return { file, ...read(contents), empty: false };
    if (tries === PATIENCE) return { file, id: '0'.repeat(12), entry: null, empty: true };
    pause(PAUSE_MS);
  }
}

function read(contents: string): Pick<Seen, 'id' | 'entry'> {
  try {
    const entry = entrySchema(parseJson(contents), '');
    if (/^[0-9a-f]{12}$/.test(entry.id)) return { id: entry.id, entry };
  } catch {
    // someone else's file, or that of another version
  }
  return { id: '', entry: null };
}

/** The text of a lock file; null when there is none. What is not a regular file is not opened. */
function contentsOf(file: string): string | null {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (!stat) return null;
  if (!stat.isFile()) {
    const what = stat.isSymbolicLink() ? 'it is a symbolic link' : 'it is not a regular file';
    fail(cannotWrite({ file, why: `${what}, and lotrc makes a lock file here` }));
  }
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
  let fd: number;
  try {
    fd = openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return null;
    throw error;
  }
  try {
    return fstatSync(fd).size > MAX_BYTES ? 'too long' : readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

/** Whether nobody holds the lock any more. False where that cannot be seen from here. */
function hasEnded({ entry, empty }: Seen): boolean {
  return entry === null ? empty : canBeSeen(entry) && !stillRuns(entry);
}

function refuse(path: string, { file, entry }: Seen): never {
  const holder = entry && { ...entry, host: canBeSeen(entry) ? null : entry.host };
  return fail(heldByOther({ file: path, lock: file, holder }));
}
