import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { cannotWrite, fileChanged } from '../codes/load.js';
import { fail } from '../diagnostics.js';
import type { ByteSink } from '../tensor.js';

const BUFFER = 1 << 20;

/** A sink into an open file: small writes are gathered, large ones go straight through. */
class FileSink implements ByteSink {
  readonly #buffer = Buffer.allocUnsafe(BUFFER);
  #used = 0;
  constructor(readonly fd: number) {}

  write(chunk: Uint8Array): void {
    if (chunk.byteLength >= BUFFER / 4) {
      this.flush();
      writeAll(this.fd, chunk);
      return;
    }
    if (this.#used + chunk.byteLength > BUFFER) this.flush();
    this.#buffer.set(chunk, this.#used);
    this.#used += chunk.byteLength;
  }

  flush(): void {
    writeAll(this.fd, this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }
}

function writeAll(fd: number, chunk: Uint8Array): void {
  for (let done = 0; done < chunk.byteLength; ) done += writeSync(fd, chunk, done, chunk.byteLength - done);
}

/** One output: where it goes and what writes it. */
export interface Output {
  readonly path: string;
  /** a file that the output begins as a copy of; `write` then gives what follows it */
  readonly copyOf?: { readonly path: string; readonly size: number } | null;
  write(sink: ByteSink): void;
}

/**
 * Writes files so that each appears whole or not at all, and none appears before all are written: every file goes to a
 * temporary name in its own folder, is flushed to the disk, and only then are all renamed, in order. Whatever fails,
 * the temporary files are removed and the diagnostic names the path.
 */
export function writeAtomically(outputs: readonly Output[]): void {
  const staged: { readonly temporary: string; readonly path: string }[] = [];
  let current = '';
  try {
    for (const output of outputs) {
      current = output.path;
      const temporary = join(
        dirname(output.path),
        `.${basename(output.path)}.${randomBytes(6).toString('hex')}.tmp`,
      );
      const { copyOf } = output;
      if (copyOf) {
        staged.push({ temporary, path: output.path });
        copyWhole(copyOf, temporary);
      }
      const fd = openSync(temporary, copyOf ? 'a' : 'wx');
      if (!copyOf) staged.push({ temporary, path: output.path });
      try {
        const sink = new FileSink(fd);
        output.write(sink);
        sink.flush();
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    }
    for (const { temporary, path } of staged) {
      current = path;
      renameSync(temporary, path);
    }
    for (const folder of new Set(staged.map(({ path }) => dirname(path)))) syncFolder(folder);
  } catch (error) {
    for (const { temporary } of staged) rmSync(temporary, { force: true });
    if (isSystemError(error)) fail(cannotWrite({ file: current, why: error.message }));
    throw error;
  }
}

/** Throws LOTR1006 when the file is no longer as long as it was. */
function copyWhole({ path, size }: { readonly path: string; readonly size: number }, to: string): void {
  // the system copies without a way through this process, and shares blocks where the file system can
  copyFileSync(path, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  if (statSync(to).size !== size) fail(fileChanged({ file: path }));
  chmodSync(to, 0o666 & ~process.umask()); // the original may be read-only
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

/** True for errors of the operating system (ENOENT, EACCES, ENOSPC, ...). */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}
