import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A folder for files under test, with what external data may name: a data file, a folder, a pipe that nothing writes to,
 * a link to itself and a link that leads out to `secret.bin`. In memory where the system has such a place.
 */
export class Workspace {
  readonly #root: string;
  readonly folder: string;

  /** `parent`: the folder to be in, which whoever made it removes. */
  constructor(parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()) {
    this.#root = mkdtempSync(join(parent, 'lotrc-fuzz-'));
    this.folder = join(this.#root, 'in');
    mkdirSync(join(this.folder, 'dir'), { recursive: true });
    const outside = join(this.#root, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'secret.bin'), Buffer.alloc(256, 7));
    writeFileSync(join(this.#root, 'secret.bin'), Buffer.alloc(256, 7));
    const floats = Float32Array.from({ length: 32 }, (_, i) => i / 16 - 1);
    writeFileSync(join(this.folder, 'w.bin'), new Uint8Array(floats.buffer));
    symlinkSync(outside, join(this.folder, 'link'));
    symlinkSync('loop', join(this.folder, 'loop'));
    // where there is no mkfifo there are no pipes to be caught by
    if (process.platform !== 'win32') execFileSync('mkfifo', [join(this.folder, 'fifo')]);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}
