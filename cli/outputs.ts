import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileIsThere, wouldOverwriteInput } from '../src/ir/codes/load.js';
import { type Diagnostic, fail } from '../src/ir/diagnostics.js';
import { type Output, writeAtomically } from '../src/ir/files/atomic.js';
import { isFolder } from '../src/ir/files/folders.js';
import { safetensorsOutput } from '../src/ir/files/safetensors.js';
import type { Model } from '../src/ir/model.js';
import { planModel, type WeightsMode } from '../src/ir/onnx/writer.js';
import { visible } from '../src/ir/visible.js';
import { refuseUsage } from '../src/options/usage.js';
import { requireTyped } from '../src/passes/type-check.js';
import type { Adapter } from '../src/rewrite.js';
import { loadModel, TEXT } from './load.js';
import type { Run } from './program.js';
import { fileToStdout, isFromStdin, STANDARD } from './standard-streams.js';
import { num } from './text.js';

/** Marks a file in the place of another one; JSON has no symbols, and does not show it. */
const REPLACED: unique symbol = Symbol('replaced');

/** A file that was written. */
export interface Written {
  readonly path: string;
  readonly bytes: number;
  readonly [REPLACED]?: boolean;
}

/** A line for each file that was written. */
export function filesText(files: readonly Written[]): string {
  return files
    .map(
      (file) => `${file[REPLACED] ? 'replaced' : 'wrote'} ${visible(file.path)} (${num(file.bytes)} bytes)\n`,
    )
    .join('');
}

export interface Artifacts {
  readonly model?:
    | { readonly model: Model; readonly path: string; readonly weights: WeightsMode }
    | undefined;
  readonly adapter?: { readonly adapter: Adapter; readonly path: string } | undefined;
  /** files that were read: none of them may be written over */
  readonly inputs: readonly string[];
  /** false: no file may be written over */
  readonly clobber?: boolean | undefined;
}

/**
 * Writes a model, an adapter file, or both, all or none. Throws LOTR1201 when the system refuses, LOTR1202 when an
 * output is an input, also through a link, LOTR1206 for a file that must not be replaced.
 */
export function writeArtifacts({ model, adapter, inputs, clobber }: Artifacts, run: Run): readonly Written[] {
  if (model?.path === STANDARD || adapter?.path === STANDARD)
    return artifactToStdout({ model, adapter, inputs }, run);
  const outputs: Output[] = [];
  const notes: Diagnostic[] = [];
  if (adapter)
    outputs.push(safetensorsOutput(adapter.path, adapter.adapter.tensors, adapter.adapter.metadata));
  if (model) {
    if (model.path.endsWith(TEXT))
      refuseUsage(`${model.path}: a model in text form has no weights; use .onnx`);
    requireTyped(model.model, () => (model.model.path === null ? null : loadModel(model.model.path)));
    const planned = planModel(model.model, model.path, { weights: model.weights });
    outputs.push(...planned.outputs);
    notes.push(...planned.report.notes);
  }
  refuseInputs(
    outputs.map(({ path }) => path),
    inputs,
    clobber,
  );
  const written = writeNoting(outputs);
  run.reporter.report(notes);
  return written.toReversed();
}

/** Writes one file to stdout; what would be said there goes to stderr (see `main`). */
function artifactToStdout({ model, adapter, inputs }: Artifacts, run: Run): readonly Written[] {
  let bytes = 0;
  fileToStdout(run.io, (folder) => {
    const path = join(folder, 'stdout');
    const written = writeArtifacts(
      {
        model: model && { ...model, path },
        adapter: adapter && { ...adapter, path: model ? adapter.path : path },
        inputs,
      },
      run,
    );
    const [file, data] = written.filter((one) => dirname(one.path) === folder);
    if (data) refuseUsage('-o - writes one file, and the weights are in another: use --weights inline');
    ({ bytes } = file!);
    return path;
  });
  return [{ path: STANDARD, bytes }];
}

/** Writes files, and says of each whether it replaced one. Throws what `writeAtomically` throws. */
export function writeNoting(outputs: readonly Output[]): readonly Written[] {
  const there = new Set(outputs.flatMap(({ path }) => (existsSync(path) ? [path] : [])));
  return writeAtomically(outputs).map(({ path, bytes }) => ({ path, bytes, [REPLACED]: there.has(path) }));
}

/** No output may be an input, and no two outputs the same file; without `clobber` none may be there. Throws LOTR1202, LOTR1206. */
export function refuseInputs(outputs: readonly string[], inputs: readonly string[], clobber = true): void {
  for (const [index, path] of outputs.entries()) {
    if (!clobber && existsSync(path)) fail(fileIsThere({ file: path }));
    for (const input of inputs) if (sameFile(path, input)) fail(wouldOverwriteInput({ file: path, input }));
    if (outputs.slice(0, index).some((other) => sameFile(path, other))) {
      refuseUsage(`two outputs would go to ${path}`);
    }
  }
}

/** `model.onnx` and `.lotr.onnx` give `model.lotr.onnx` in the same folder. */
export function defaultOutput(path: string, ending: string): string {
  return join(dirname(path), `${basename(path).replace(/\.(onnx|onnxtxt)$/, '')}${ending}`);
}

/**
 * Where an output goes: the path that -o gives; below it, under the standard name, when it is a folder (one that exists, or a
 * path that ends in a slash); the standard path without -o.
 */
export function outputFile(given: string | undefined, standard: string): string {
  if (given === undefined && isFromStdin(standard))
    refuseUsage('-o is missing: a model from stdin has no folder for the output');
  if (given === undefined) return standard;
  const folder = /[/\\]$/.test(given) || isFolder(given);
  return folder ? join(given, basename(standard)) : given;
}

function sameFile(a: string, b: string): boolean {
  if (resolve(a) === resolve(b)) return true;
  if (!existsSync(a) || !existsSync(b)) return false;
  const [left, right] = [statSync(a), statSync(b)];
  return left.dev === right.dev && left.ino === right.ino;
}
