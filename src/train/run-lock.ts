import { join } from 'node:path';
import { cannotWrite } from '../ir/codes/load.js';
import { fail } from '../ir/diagnostics.js';
import { isFolder } from '../ir/files/folders.js';
import { Janitor } from '../ir/files/janitor.js';
import { FileLock, requireFree } from '../ir/files/lock.js';
import { isSystemError } from '../ir/files/system-error.js';

/** The path whose lock is that of the run; nothing is ever written there. */
export const runPath = (folder: string) => join(folder, 'run');

/** Throws LOTR1205 when another process trains in the folder, LOTR1201 when the system does not let it be seen. */
export function requireFreeRun(folder: string): void {
  // what cannot be a folder is refused when it is made
  if (isFolder(folder)) named(folder, () => requireFree(runPath(folder), folder));
}

/** Holds the folder of a run until it is released, or this process ends in whatever way. Throws LOTR1201, LOTR1205. */
export function holdRun(folder: string): { release(): void } {
  const lock = named(folder, () => FileLock.take(runPath(folder), folder));
  const janitor = new Janitor([]);
  janitor.holds(lock);
  janitor.watch();
  return {
    release: () => {
      lock.release();
      janitor.dismiss();
    },
  };
}

function named<T>(folder: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (isSystemError(error)) fail(cannotWrite({ file: folder, why: error.message }));
    throw error;
  }
}
