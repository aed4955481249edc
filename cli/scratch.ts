import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cannotWrite } from '../src/ir/codes/load.js';
import { fail } from '../src/ir/diagnostics.js';
import { Janitor } from '../src/ir/files/janitor.js';
import { isSystemError } from '../src/ir/files/system-error.js';

/**
 * Works in a new folder, which is removed afterwards, also when a signal ends this process. Throws LOTR1201 when it cannot be
 * made.
 */
export async function inScratch<T>(prefix: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = make(prefix);
  const janitor = new Janitor([folder]);
  try {
    janitor.watch();
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    janitor.dismiss();
  }
}

function make(prefix: string): string {
  try {
    return mkdtempSync(join(tmpdir(), prefix));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return fail(cannotWrite({ file: tmpdir(), why: `${error.message}; TMPDIR names the folder` }));
  }
}
