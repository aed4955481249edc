import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkConfig } from '../../src/build/check-config.js';
import type { BuildConfig } from '../../src/build/config.js';
import { valueOfModule } from '../../src/build/config-value.js';
import { configFails } from '../../src/ir/codes/build.js';
import { fail } from '../../src/ir/diagnostics.js';
import { isFolder } from '../../src/ir/files/folders.js';
import { parsePlain } from '../../src/ir/files/json.js';
import { readRegular } from '../../src/ir/files/regular.js';
import { Unreadable } from '../../src/ir/files/unreadable.js';
import { shownPath } from './find-config.js';

/** A config and where it is. */
export interface LoadedConfig {
  readonly config: BuildConfig;
  /** as messages call it */
  readonly shown: string;
  /** whether it is the same as long as its bytes are: no program that may read something else */
  readonly isData: boolean;
}

/**
 * Loads a config again each time. One in TypeScript or JavaScript that is more than a value is a program, and runs; `cache` keeps
 * what TypeScript becomes. Throws LOTR8302, LOTR8303.
 */
export async function loadConfig(path: string, cache: string): Promise<LoadedConfig> {
  const shown = shownPath(path);
  const data = path.endsWith('.json') ? readJson(path, shown) : readModule(path);
  const value = data === undefined ? await runModule(path, shown, cache) : data;
  return { config: checkConfig(value, shown), shown, isData: data !== undefined };
}

/** The value of a module that is nothing else; undefined for one that must run, or that cannot be read. */
function readModule(path: string): unknown {
  try {
    return valueOfModule(readRegular(path).toString('utf8'));
  } catch (error) {
    if (error instanceof Unreadable) return undefined;
    throw error;
  }
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
  const { createJiti } = await import('jiti');
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
    if (path.endsWith('.ts')) return await jiti.import(path, { default: true });
    // Node itself would keep what a module in JavaScript was when it was loaded first
    const source = readRegular(path).toString('utf8');
    const options = { filename: path, id: path, ext: '.mjs', async: true, forceTranspile: true };
    const module = (await jiti.evalModule(source, options)) as { readonly default?: unknown };
    return module.default ?? module;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return fail(configFails({ file: shown, why: why.replaceAll(path, shown) }));
  }
}
