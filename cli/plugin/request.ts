import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { replaceFile } from '../../src/build/store.js';
import { badImport } from '../../src/ir/codes/build.js';
import { fail } from '../../src/ir/diagnostics.js';
import { defaultCache, projectOf } from '../build/find-config.js';
import { readQuery } from './query.js';

/** An import of a model, with all that it depends on but the bytes of files. */
export interface ModelImport {
  /** as it was written */
  readonly request: string;
  /** the file that it was written in, as messages call it */
  readonly importer: string;
  /** the project, which paths are relative to, absolute */
  readonly folder: string;
  /** the cache, absolute */
  readonly cache: string;
  /** the model, from the folder of the project, with slashes */
  readonly input: string;
  /** what its outputs are called */
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** Files that keep an import: a bundler may load one that an earlier process resolved. */
export const KEPT_IMPORT = /[\\/][0-9a-f]{16}\.lotrc\.js$/;

/** Keeps an import in the cache; its file, absolute. Throws LOTR8320 for options, and for what is not a path. */
export function keepImport(request: string, importer: string | undefined, cache: string | undefined): string {
  const { path, options } = readQuery(request);
  if (!isAbsolute(path) && (importer === undefined || !/^\.\.?[\\/]/.test(path)))
    fail(badImport({ request, why: 'is not a path', hint: 'write one that begins with ./ or ../' }));
  const from = importer === undefined ? resolve('index.js') : importer.replace(/[?#].*$/, '');
  const folder = projectOf(from);
  const place = cache === undefined ? defaultCache(from) : resolve(folder, cache);
  const model = [resolve(dirname(from), path), join(folder, path)].find(existsSync);
  if (model === undefined)
    return fail(badImport({ request, why: `names a file that is not there, from ${from}` }));
  const slashes = (file: string): string => relative(folder, file).split(sep).join('/');
  const input = slashes(model);
  const stem = basename(path).replace(/\.[^.]*$/, '');
  const kept: ModelImport = {
    request,
    importer: slashes(from),
    folder,
    cache: place,
    input,
    name: stem.replace(/^[^A-Za-z0-9]+|[^\w.-]/g, '_').replace(/^_/, 'm_'),
    options,
  };
  const file = join(place, 'imports', `${digestOf([input, options])}.lotrc.js`);
  // a comment: some bundlers look at a file before its plugin is asked
  const text = `// ${JSON.stringify(kept)}\n`;
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text) replaceFile(file, text);
  return file;
}

/** The import that a file keeps. */
export function keptImport(file: string): ModelImport {
  return JSON.parse(readFileSync(file, 'utf8').slice('// '.length)) as ModelImport;
}

/** A short name for what some values say. */
export function digestOf(values: unknown): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('hex').slice(0, 16);
}
