import { existsSync, mkdirSync, realpathSync, rmdirSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { cannotWrite } from '../codes/load.js';
import { fail } from '../diagnostics.js';
import { isSystemError } from './system-error.js';

/** Whether a folder is at the path, directly or through a link. */
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
      // another command made it at the same time
      if (isSystemError(error) && error.code === 'EEXIST' && isFolder(folder)) continue;
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

/**
 * Why a relative path that someone else wrote is not one of a file in a folder or below it, or null. Neither `..` nor a
 * link may lead out. A file that is missing passes.
 */
export function leadsOut(folder: string, location: string): string | null {
  const parts = location.split(sep === '/' ? '/' : /[/\\]/);
  const plain = parts.every((part) => part !== '' && part !== '.' && part !== '..');
  if (!plain || isAbsolute(location) || location.includes('\0'))
    return `${JSON.stringify(location)} is not the path of a file in this folder`;
  const path = join(folder, location);
  if (!existsSync(path)) return null;
  const inner = relative(realpathSync(folder), realpathSync(path));
  const outside = inner === '' || inner === '..' || inner.startsWith(`..${sep}`);
  return outside ? `${JSON.stringify(location)} is a link that leads out of this folder` : null;
}
