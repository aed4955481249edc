import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Files, placeFiles } from './files.js';

/**
 * A folder for files under test. In `in`, which is the working directory: what external data may name, that is a data file,
 * a folder, a pipe that nothing writes to, a link to itself and a link that leads out to `secret.bin`. Beside it `out` for
 * outputs, `tmp` for temporary files and `outside`. In memory where the system has such a place.
 */
export class Workspace {
  readonly root: string;
  readonly folder: string;
  readonly #kept: ReadonlySet<string>;
  readonly #before = { folder: process.cwd(), temporary: process.env.TMPDIR };

  /** `parent`: the folder to be in, which whoever made it removes. */
  constructor(parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()) {
    this.root = mkdtempSync(join(parent, 'lotrc-fuzz-'));
    this.folder = join(this.root, 'in');
    mkdirSync(join(this.folder, 'dir'), { recursive: true });
    for (const name of ['out', 'tmp', 'outside']) mkdirSync(join(this.root, name));
    writeFileSync(join(this.root, 'outside', 'secret.bin'), Buffer.alloc(256, 7));
    writeFileSync(join(this.root, 'secret.bin'), Buffer.alloc(256, 7));
    const floats = Float32Array.from({ length: 32 }, (_, i) => i / 16 - 1);
    writeFileSync(join(this.folder, 'w.bin'), new Uint8Array(floats.buffer));
    symlinkSync(join(this.root, 'outside'), join(this.folder, 'link'));
    symlinkSync('loop', join(this.folder, 'loop'));
    // where there is no mkfifo there are no pipes to be caught by
    if (process.platform !== 'win32') execFileSync('mkfifo', [join(this.folder, 'fifo')]);
    this.#kept = new Set(readdirSync(this.folder));
  }

  /** Makes it the place where this process works and puts temporary files; `leave` takes that back. */
  enter(): void {
    process.chdir(this.folder);
    process.env.TMPDIR = join(this.root, 'tmp');
  }

  leave(): void {
    process.chdir(this.#before.folder);
    if (this.#before.temporary === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = this.#before.temporary;
  }

  /** The files of the next input in place of those of the last one, and of what that one made. */
  place(files: Files): void {
    for (const name of readdirSync(this.folder)) if (!this.#kept.has(name)) this.#remove('in', name);
    for (const part of ['out', 'tmp']) {
      for (const name of readdirSync(join(this.root, part))) this.#remove(part, name);
    }
    placeFiles(this.root, files);
  }

  #remove(part: string, name: string): void {
    rmSync(join(this.root, part, name), { recursive: true, force: true, maxRetries: 5 });
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
  }
}
