import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { cannotWrite, fileChanged } from '../codes/load.js';
import { fail } from '../diagnostics.js';
import type { ByteSink } from '../tensor.js';
import { isFolder, makeFolders, removeFolders } from './folders.js';
import { Janitor } from './janitor.js';
import { FileLock, lockFile } from './lock.js';
import { isSystemError } from './system-error.js';
import { sweepStale, temporaryName } from './temporary.js';

export { isSystemError } from './system-error.js';

const BUFFER = 1 << 20;

/** A sink into an open file: small writes are gathered, large ones go straight through. */
class FileSink implements ByteSink {
  readonly #buffer = Buffer.allocUnsafe(BUFFER);
  #used = 0;
  /** `onWrite` is told of bytes before they are written. */
  constructor(
    readonly fd: number,
    readonly onWrite: (bytes: number) => void,
  ) {}

  write(chunk: Uint8Array): void {
    if (chunk.byteLength >= BUFFER / 4) {
      this.flush();
      this.#through(chunk);
      return;
    }
    if (this.#used + chunk.byteLength > BUFFER) this.flush();
    this.#buffer.set(chunk, this.#used);
    this.#used += chunk.byteLength;
  }

  flush(): void {
    this.#through(this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }

  #through(chunk: Uint8Array): void {
    this.onWrite(chunk.byteLength);
    writeAll(this.fd, chunk);
  }
}

function writeAll(fd: number, chunk: Uint8Array): void {
  for (let done = 0; done < chunk.byteLength; ) done += writeSync(fd, chunk, done, chunk.byteLength - done);
}

/** A file that an output is a copy of, or begins as one. */
interface CopyOf {
  readonly path: string;
  /** length in bytes when the output was planned */
  readonly size: number;
  /** false: copy even where the file system could share the blocks */
  readonly clone?: boolean;
}

/** One output: where it goes and what writes it. */
export interface Output {
  readonly path: string;
  /** a file that the output begins as a copy of; `write` then gives what follows it */
  readonly copyOf?: CopyOf | null;
  /** a file that the output is a hard link of; `write` is not called */
  readonly linkOf?: string;
  /** a file whose contents the output repeats: whoever may not read that one cannot read a new output */
  readonly repeats?: string | undefined;
  write(sink: ByteSink): void;
}

/** An output that was written. */
export interface WrittenOutput {
  readonly path: string;
  readonly bytes: number;
  /** how the file came about: `cloned` shares its blocks with `copyOf` until one of the two is changed */
  readonly how: 'written' | 'cloned' | 'copied' | 'linked';
}

/** An output that is complete under its temporary name. */
interface Staged extends WrittenOutput {
  readonly temporary: string;
}

/**
 * Writes files so that each appears whole or not at all, and none appears before all are written. Folders that are missing
 * are made. Each path is locked against other processes meanwhile. Every file goes to a temporary name in its own folder, which
 * is random and must be new, and is flushed to the disk; then all are renamed, in order. A file that is replaced keeps its permissions. Whatever fails, the temporary files
 * and new folders are removed, files already renamed are taken back, and the diagnostic names the path. When a signal ends
 * this process, large temporary files are removed by a janitor process, small ones when the same output is written again.
 * Throws LOTR1201 when the system refuses, or when a folder, a link, a device or a pipe is at the path, LOTR1205 when another
 * process is writing one of the files.
 */
export function writeAtomically(outputs: readonly Output[]): readonly WrittenOutput[] {
  const staged: Staged[] = [];
  const temporaries = outputs.map(({ path }) => temporaryName(path));
  const janitor = new Janitor(temporaries);
  const folders: string[] = [];
  const locks: FileLock[] = [];
  const release = () => {
    for (const lock of locks.splice(0)) lock.release();
  };
  let current = '';
  let begun = 0;
  try {
    for (const { path } of outputs) {
      current = path;
      modeOf(path);
    }
    for (const { path } of outputs) {
      current = path;
      folders.push(...makeFolders(dirname(path)));
    }
    // in one order, so that of two commands that share outputs one gets all
    for (const path of [...new Set(outputs.map(({ path }) => path))].sort()) {
      current = path;
      const lock = FileLock.take(path);
      locks.push(lock);
      janitor.holds(lock);
    }
    sweepStale(outputs.map(({ path }) => path));
    for (const [index, output] of outputs.entries()) {
      current = output.path;
      begun = index + 1;
      staged.push(stage(output, temporaries[index]!, janitor));
    }
    putInPlace(staged, (path) => {
      current = path;
    });
    for (const folder of new Set(staged.map(({ path }) => dirname(path)))) syncFolder(folder);
    return staged.map(({ path, bytes, how }) => ({ path, bytes, how }));
  } catch (error) {
    for (const temporary of temporaries.slice(0, begun)) rmSync(temporary, { force: true });
    release();
    removeFolders(folders);
    if (isSystemError(error))
      fail(cannotWrite({ file: current, why: reason(error, [...temporaries, lockFile(current)], current) }));
    throw error;
  } finally {
    release();
    janitor.dismiss();
  }
}

/** The system's reason; names of our own are of no use to the reader. */
function reason(error: Error, own: readonly string[], path: string): string {
  return own.reduce((text, name) => text.replaceAll(name, path), error.message);
}

/** Permissions of the file that is at the path, null when there is none. Throws LOTR1201 for anything but a file. */
function modeOf(path: string): number | null {
  // where a folder of the path is a file, making the folders says so
  const stat = isFolder(dirname(path)) ? lstatSync(path, { throwIfNoEntry: false }) : null;
  if (!stat) return null;
  const other = stat.isDirectory()
    ? 'it is a folder'
    : stat.isSymbolicLink()
      ? 'it is a symbolic link'
      : 'it is not a regular file';
  if (!stat.isFile()) fail(cannotWrite({ file: path, why: other }));
  return stat.mode & 0o7777;
}

/** Opens a new file, or with `append` the one just made. No link is followed; the flag is absent on Windows. */
function openNew(path: string, append: boolean, mode: number): number {
  const { O_WRONLY, O_CREAT, O_EXCL, O_APPEND, O_NOFOLLOW = 0 } = constants;
  return openSync(path, O_WRONLY | O_NOFOLLOW | (append ? O_APPEND : O_CREAT | O_EXCL), mode);
}

/** Writes one output under its temporary name. */
function stage(output: Output, temporary: string, janitor: Janitor): Staged {
  const { path, copyOf, linkOf } = output;
  if (linkOf !== undefined) {
    linkSync(linkOf, temporary);
    return { temporary, path, bytes: statSync(temporary).size, how: 'linked' };
  }
  const source = copyOf?.path ?? output.repeats;
  const kept = modeOf(path);
  const mode = kept ?? newMode(source);
  if (copyOf) janitor.expect(copyOf.size);
  const how = copyOf ? copyWhole(copyOf, temporary, mode) : 'written';
  // for its owner only until the permissions are set, so that private data stays private
  const fd = openNew(temporary, how !== 'written', 0o600);
  try {
    fchmodSync(fd, mode);
    const sink = new FileSink(fd, (bytes) => janitor.expect(bytes));
    output.write(sink);
    sink.flush();
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return { temporary, path, bytes: statSync(temporary).size, how };
}

/** Permissions of a new output: those that the user's umask gives, and for others no more than the source has. */
function newMode(source: string | undefined): number {
  const usual = 0o666 & ~process.umask();
  const stat = source === undefined ? null : statSync(source, { throwIfNoEntry: false });
  return stat ? usual & (stat.mode | 0o600) : usual;
}

/** Renames all to their places; when one fails, those before it are taken back and what they replaced returns. */
function putInPlace(staged: readonly Staged[], starts: (path: string) => void): void {
  const undo: (() => void)[] = [];
  const kept: string[] = [];
  try {
    for (const [index, { temporary, path }] of staged.entries()) {
      starts(path);
      const replaced = modeOf(path) !== null;
      // nothing can fail after the last one
      const backup = replaced && index < staged.length - 1 ? keep(path) : null;
      if (backup !== null) kept.push(backup);
      renameSync(temporary, path);
      if (!replaced) undo.push(() => rmSync(path, { force: true }));
      else if (backup !== null) undo.push(() => renameSync(backup, path));
    }
  } catch (error) {
    for (const step of undo.reverse()) step();
    throw error;
  } finally {
    for (const backup of kept) rmSync(backup, { force: true });
  }
}

/** A second name for a file that is about to be replaced; null where the file system has no hard links. */
function keep(path: string): string | null {
  const backup = temporaryName(path);
  try {
    linkSync(path, backup);
    return backup;
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}

/** Clones a file where the file system can, else copies it. Throws LOTR1006 when it is changed meanwhile, or is no longer as long as it was. */
function copyWhole({ path, size, clone = true }: CopyOf, to: string, mode: number): 'cloned' | 'copied' {
  const before = changeOf(path);
  const how = clone && cloned(path, to) ? 'cloned' : 'copied';
  // the system copies without a way through this process
  if (how === 'copied') copyFileSync(path, to, constants.COPYFILE_EXCL);
  if (statSync(to).size !== size || changeOf(path) !== before) fail(fileChanged({ file: path }));
  chmodSync(to, mode | 0o600); // the original may be read-only
  return how;
}

/** Which file it is and when it was changed last. */
function changeOf(path: string): string {
  const { dev, ino, size, mtimeNs } = statSync(path, { bigint: true });
  return `${dev}:${ino}:${size}:${mtimeNs}`;
}

function cloned(path: string, to: string): boolean {
  try {
    copyFileSync(path, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    rmSync(to, { force: true });
    return false;
  }
}

/** Makes the renames durable. Some file systems refuse to open folders; the files themselves are safe there already. */
function syncFolder(folder: string): void {
  try {
    const fd = openSync(folder, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}
