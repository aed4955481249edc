import { existsSync, mkdirSync, realpathSync, rmdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { cannotWrite } from '../codes/load.js';
import { fail } from '../diagnostics.js';
import { isSystemError } from './system-error.js';

/** Whether a folder stands at the path, directly or behind a link. */
export function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}

/** Makes a folder and those above it that are missing; returns the new ones, the outermost first. Throws LOTR1201. */
export function makeFolders(path: string): readonly string[] {
  const missing: string[] = [];
  let at = resolve(path);
  for (; !existsSync(at); at = dirname(at)) missing.unshift(at);
  if (!isFolder(at)) fail(cannotWrite({ file: at, why: 'it is a file, and a folder is needed here' }));
  const made: string[] = [];
  // one by one: the recursive form does not end where the system has no folders to make (/proc)
  for (const folder of missing) {
    try {
      mkdirSync(folder);
    } catch (error) {
      removeFolders(made);
      if (isSystemError(error)) fail(cannotWrite({ file: folder, why: error.message }));
      throw error;
    }
    made.push(folder);
  }
  return made;
}

/** Removes folders that are empty, the last first; others stay. */
export function removeFolders(folders: readonly string[]): void {
  for (const folder of folders.toReversed()) {
    try {
      rmdirSync(folder);
    } catch (error) {
      // another program has put something there
      if (!isSystemError(error)) throw error;
    }
  }
}

/** The path of a folder without links; of one that is missing, as it will be once it is made. */
export function realFolder(path: string): string {
  const rest: string[] = [];
  let at = resolve(path);
  for (; !existsSync(at); at = dirname(at)) rest.unshift(basename(at));
  return join(realpathSync(at), ...rest);
}
