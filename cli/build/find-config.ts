import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { noConfig } from '../../src/ir/codes/build.js';
import { fail } from '../../src/ir/diagnostics.js';

/** What a config is called. */
export const CONFIG_NAMES = ['lotrc.config.ts', 'lotrc.config.mjs', 'lotrc.config.json'];

/** The config that is given, or the one in the working folder, as an absolute path. Throws LOTR8301. */
export function findConfig(given: string | undefined): string {
  if (given !== undefined) return resolve(given);
  const found = CONFIG_NAMES.filter((name) => existsSync(name));
  return found.length === 1 ? resolve(found[0]!) : fail(noConfig({ folder: resolve(), found }));
}

/** How messages call a file: from the working folder, where it is in or below it. */
export function shownPath(path: string): string {
  const inner = relative(resolve(), path);
  return inner === '' || inner.startsWith('..') ? path : inner;
}

/** The folder of the project that a file is in: that of the next package.json, else its own. */
export function projectOf(file: string): string {
  const home = dirname(file);
  for (let folder = home; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (dirname(folder) === folder) return home;
  }
}

/** The folder of the cache where none is given: next to the installed packages of the project. */
export function defaultCache(file: string): string {
  return join(projectOf(file), 'node_modules/.cache/lotrc');
}
