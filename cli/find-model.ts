import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { noModelHere } from '../src/ir/codes/build.js';
import { malformed } from '../src/ir/codes/load.js';
import { fail } from '../src/ir/diagnostics.js';
import { CORE_ML } from '../src/ir/files/file-kind.js';
import { isFolder } from '../src/ir/files/folders.js';
import { modelFromStdin, STANDARD } from './standard-streams.js';

/** Where exporters put a model. */
const USUAL = ['model.onnx', 'onnx/model.onnx'];
/** What commands of lotrc call their outputs. */
const OURS = /\.(lotr|merged|base)\.onnx$/;

/** The models in a folder: the one with a usual name, else all in it, else all in its folder `models`. */
export function modelsIn(folder: string): readonly string[] {
  const usual = USUAL.map((name) => join(folder, name)).find((path) => existsSync(path));
  if (usual !== undefined) return [usual];
  const basesIn = (place: string) => namesIn(place, '.onnx').filter((path) => !OURS.test(path));
  const own = basesIn(folder);
  return own.length > 0 ? own : basesIn(join(folder, 'models'));
}

/** The model that an argument means: itself, what stdin holds, or the only one in the folder that it names. Throws LOTR8308. */
export function modelAt(path: string): string {
  if (path === STANDARD) return modelFromStdin();
  if (!isFolder(path)) return path;
  if (/\.(mlpackage|mlmodelc)[/\\]*$/.test(path)) fail(malformed({ file: path, offset: 0, ...CORE_ML }));
  const found = modelsIn(path);
  return found.length === 1 ? found[0]! : fail(noModelHere({ folder: path, found }));
}

/** The models that several arguments mean, as commander gathers them. */
const each =
  (at: (path: string) => string) =>
  (path: string, before: readonly string[] = []): readonly string[] => [...before, at(path)];
export const modelsAt = each(modelAt);
export const allRewrittenAt = each(rewrittenAt);

/** The same of a command that takes what `lotrc rewrite` wrote: the only .lotr.onnx in the folder, else as above. */
export function rewrittenAt(path: string): string {
  const [one, ...more] = namesIn(path, '.lotr.onnx');
  return one !== undefined && more.length === 0 ? one : modelAt(path);
}

/** Files of a folder whose names have an ending, sorted; none where there is no such folder. */
export function namesIn(folder: string, ...endings: readonly string[]): readonly string[] {
  if (!isFolder(folder)) return [];
  return readdirSync(folder)
    .filter((name) => endings.some((ending) => name.endsWith(ending)) && !isFolder(join(folder, name)))
    .sort()
    .map((name) => join(folder, name));
}

/** The tokenizer of a model: tokenizer.json in its folder, or in the one above; null without. */
export function tokenizerOf(model: string): string | null {
  const folder = dirname(model);
  const places = [folder, join(folder, '..')].map((place) => join(place, 'tokenizer.json'));
  return places.find((path) => existsSync(path)) ?? null;
}
