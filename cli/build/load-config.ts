import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { createJiti } from 'jiti';
import { checkConfig } from '../../src/build/check-config.js';
import type { BuildConfig } from '../../src/build/config.js';
import { configFails, noConfig } from '../../src/ir/codes/build.js';
import { fail } from '../../src/ir/diagnostics.js';
import { isFolder } from '../../src/ir/files/folders.js';
import { parsePlain } from '../../src/ir/files/json.js';
import { readRegular, Unreadable } from '../../src/ir/files/regular.js';

/** What a config is called. */
export const CONFIG_NAMES = ['lotrc.config.ts', 'lotrc.config.mjs', 'lotrc.config.json'];

/** A config and where it is. */
export interface LoadedConfig {
  readonly config: BuildConfig;
  /** as messages call it */
  readonly shown: string;
}

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

/**
 * Loads a config again each time. One in TypeScript or JavaScript is a program, and runs; `cache` keeps what TypeScript
 * becomes. Throws LOTR8302, LOTR8303.
 */
export async function loadConfig(path: string, cache: string): Promise<LoadedConfig> {
  const shown = shownPath(path);
  const value = path.endsWith('.json') ? readJson(path, shown) : await runModule(path, shown, cache);
  return { config: checkConfig(value, shown), shown };
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

function readJson(path: string, shown: string): unknown {
  try {
    return parsePlain(readRegular(path).toString('utf8'));
  } catch (error) {
    if (error instanceof Unreadable || error instanceof SyntaxError)
      return fail(configFails({ file: shown, why: error.message }));
    throw error;
  }
}

async function runModule(path: string, shown: string, cache: string): Promise<unknown> {
  if (!existsSync(path) || isFolder(path)) fail(configFails({ file: shown, why: 'there is no such file' }));
  const own = join(import.meta.dirname, '../../src/build');
  const jiti = createJiti(path, {
    moduleCache: false,
    fsCache: join(cache, 'config'),
    // a config finds this package also where lotrc is not installed in its project
    alias: {
      'lotrc/config': ['.js', '.ts'].map((end) => join(own, `define-config${end}`)).find(existsSync)!,
    },
  });
  try {
    return await jiti.import(path, { default: true });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return fail(configFails({ file: shown, why: why.replaceAll(path, shown) }));
  }
}
