import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { cannotWrite } from '../ir/codes/load.js';
import { type Diagnostic, fail } from '../ir/diagnostics.js';
import { type Output, writeAtomically } from '../ir/files/atomic.js';
import { wholeDigest } from '../ir/files/file-digest.js';
import { makeFolders } from '../ir/files/folders.js';
import { parsePlain } from '../ir/files/json.js';
import { readRegular } from '../ir/files/regular.js';
import { isSystemError } from '../ir/files/system-error.js';
import { sweepStale, temporaryName } from '../ir/files/temporary.js';
import { Unreadable } from '../ir/files/unreadable.js';

/** A file that a step made. `path`: from the folder of the config, with slashes. */
export interface MadeFile {
  readonly path: string;
  readonly bytes: number;
  readonly digest: string;
}

/** What a step made, as the cache remembers it. */
export interface Made {
  readonly version: 1;
  readonly files: readonly MadeFile[];
  /** a few words on what was made */
  readonly about: string;
  /** numbers of layers and trainable parameters, where the step chose them */
  readonly counts: Counts | null;
  /** warnings and remarks of the command */
  readonly diagnostics: readonly Diagnostic[];
}

export interface Counts {
  readonly layers: number;
  readonly trainable: number;
}

/**
 * The cache: files by their digests in `objects`, and what each step made by its key in `made`. Both are written under
 * temporary names and renamed, and what is there is never changed, so that several processes may use one cache. It may be
 * removed at any time.
 */
export class Store {
  constructor(readonly folder: string) {}

  /** What was made under a key; null where nothing was, or where files of it are lost. `digest`: of a file that is there. */
  find(key: string, digest: (path: string) => string | null): Made | null {
    const made = this.read(key);
    return made?.files.every((file) => digest(this.object(file.digest)) === file.digest) ? made : null;
  }

  /** Keeps what was made under a key. Its files must have been added. */
  keep(key: string, made: Made): void {
    replaceFile(this.#made(key), JSON.stringify(made));
  }

  /** Adds a file: as a copy, which shares its blocks where the file system can, or by moving it here. */
  add(file: string, how: 'copy' | 'move'): { readonly bytes: number; readonly digest: string } {
    const name = join(this.#folder('objects'), 'object');
    sweepStale([name]);
    const staged = temporaryName(name);
    try {
      if (how === 'move') renameSync(file, staged);
      else copyFileSync(file, staged, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      chmodSync(staged, statSync(staged).mode | 0o600);
      // of the copy: another program may change the file
      const digest = wholeDigest(staged);
      const { size: bytes } = statSync(staged);
      const place = this.object(digest);
      makeFolders(dirname(place));
      flush(staged);
      renameSync(staged, place);
      return { bytes, digest };
    } catch (error) {
      rmSync(staged, { force: true });
      if (isSystemError(error)) fail(cannotWrite({ file: this.folder, why: error.message }));
      throw error;
    }
  }

  /** Puts files of the cache in their places, all or none. `at`: where a path of the list is. Throws LOTR12xx. */
  place(files: readonly MadeFile[], at: (path: string) => string): void {
    writeAtomically(
      files.map(({ path, digest, bytes }): Output => {
        const copyOf = { path: this.object(digest), size: bytes };
        return { path: at(path), copyOf, write: () => undefined };
      }),
    );
  }

  /** Where the file with a digest is. */
  object(digest: string): string {
    const name = digest.replace(/^sha256:/, '');
    return join(this.folder, 'objects', name.slice(0, 2), name);
  }

  /** A folder in which the step of a key may work. */
  work(key: string): string {
    return join(this.#folder('work'), key);
  }

  #made(key: string): string {
    return join(this.#folder('made'), `${key}.json`);
  }

  #folder(name: string): string {
    const path = join(this.folder, name);
    if (!existsSync(path)) makeFolders(path);
    return path;
  }

  /** What was made under a key, whether its files are still here or not. */
  read(key: string): Made | null {
    try {
      const made: unknown = parsePlain(
        readRegular(join(this.folder, 'made', `${key}.json`)).toString('utf8'),
      );
      return isMade(made) ? made : null;
    } catch (error) {
      // not there, or damaged: it is made again
      if (error instanceof Unreadable || error instanceof SyntaxError) return null;
      throw error;
    }
  }
}

/** Whether a value is of this version, as far as it is read before anything is written. */
function isMade(value: unknown): value is Made {
  const { version, files, diagnostics } = (value ?? {}) as Partial<Made>;
  const fits = ({ path, bytes, digest }: Partial<MadeFile>) =>
    typeof path === 'string' && typeof bytes === 'number' && /^sha256:[0-9a-f]{64}$/.test(digest ?? '');
  return version === 1 && Array.isArray(diagnostics) && Array.isArray(files) && files.every(fits);
}

/** Writes a file that only lotrc reads, whole or not at all; of several writers the last one stays. */
export function replaceFile(path: string, contents: string): void {
  makeFolders(dirname(path));
  sweepStale([path]);
  const staged = temporaryName(path);
  try {
    writeFileSync(staged, contents, { flag: 'wx' });
    renameSync(staged, path);
  } catch (error) {
    rmSync(staged, { force: true });
    if (isSystemError(error)) fail(cannotWrite({ file: path, why: error.message }));
    throw error;
  }
}

/** A file that is named by its contents must have them also after the machine lost its power. */
function flush(path: string): void {
  const fd = openSync(path, 'r+');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
