import { constants, copyFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { writeAtomically } from '../../src/ir/files/atomic.js';
import { makeFolders } from '../../src/ir/files/folders.js';
import { filesOf } from '../../src/ir/files-of.js';
import { planModel } from '../../src/ir/onnx/writer.js';
import { defaultsOf } from '../../src/options/define.js';
import { MERGE, REWRITE } from '../../src/options/sets/adapters.js';
import { mergeCommand } from '../commands/merge.js';
import { writeRewritten } from '../commands/rewrite.js';
import { loadModel } from '../load.js';
import type { Run } from '../program.js';

/** How an adapter that is not merged is written, by the options of `lotrc rewrite`. */
export const FORMS = {
  fold: { lowering: 'fold' },
  token: { lowering: 'token' },
  functions: { keepFunctions: true },
} as const;
export type FormName = keyof typeof FORMS;

/** Which layers get adapters. */
export interface Layers {
  readonly targets: readonly string[] | undefined;
  readonly exclude: readonly string[] | undefined;
}

/** Copies the files of a model into a folder, so that what is made of it can refer to its weights. Gives the path of the copy. */
export function copyFiles(path: string, folder: string): string {
  const home = dirname(path);
  for (const file of filesOf(loadModel(path))) {
    const copy = join(folder, relative(home, file));
    makeFolders(dirname(copy));
    copyFileSync(file, copy, constants.COPYFILE_FICLONE);
  }
  return join(folder, basename(path));
}

/** Writes the base as its adapted forms are written: they read its weights from its file. ONNX Runtime treats weights inside a model otherwise. */
export function writeBase(base: string): string {
  const output = `${base}.linked.onnx`;
  writeAtomically(planModel(loadModel(base), output, { weights: 'link' }).outputs);
  return output;
}

/** Writes a base with an adapter, merged where `form` is null, next to it. */
export function writeForm(
  base: string,
  adapter: { readonly method: string; readonly rank: number; readonly form: FormName | null },
  layers: Layers,
  run: Run,
): string {
  const { method, rank, form } = adapter;
  const output = join(dirname(base), `${method}-${rank}-${form ?? 'merged'}.onnx`);
  const written = form === null ? join(dirname(base), `${method}-${rank}-whole.onnx`) : output;
  const adapts = { ...defaultsOf(REWRITE), ...layers, ...FORMS[form ?? 'fold'], method, rank };
  writeRewritten(base, { ...adapts, weights: 'link', output: written }, run);
  if (form === null) mergeCommand(written, { ...defaultsOf(MERGE), weights: 'link', output }, run);
  return output;
}
