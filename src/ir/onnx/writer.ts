import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, relative, sep } from 'node:path';
import type { WeightsMode } from '../../options/words.js';
import { wouldOverwriteInput } from '../codes/load.js';
import { fail } from '../diagnostics.js';
import { writeAtomically } from '../files/atomic.js';
import { realFolder } from '../files/folders.js';
import { filesOf, storedTensors } from '../files-of.js';
import type { Model } from '../model.js';
import type { ByteSink } from '../tensor.js';
import { fileToCopy } from './copied-file.js';
import { type PlannedModel, planEncoding, type WriteReport } from './plan-output.js';
import { copyRange } from './source.js';

export type { WeightsMode } from '../../options/words.js';
export { encodeModel, type WriteReport } from './plan-output.js';

export interface WriteOptions {
  readonly weights?: WeightsMode;
  /** encode everything again instead of copying what was not edited; the result means the same */
  readonly canonical?: boolean;
  /** for files of the base: the same file (a hard link or a copy) in the output's folder, to be referred to instead */
  readonly standIns?: ReadonlyMap<string, string>;
}

/**
 * Plans the writing of a model: the outputs of `writeModel`, as outputs that can be written together with other files.
 * A model that was read and not edited is written as the same bytes that it was read from.
 */
export function planModel(model: Model, path: string, options: WriteOptions = {}): PlannedModel {
  const mode = options.weights ?? 'keep';
  const dataPath = `${path}.data`;
  for (const output of [path, dataPath]) refuseInput(model, output);
  const unedited = !model.edited && !options.canonical && model.carried && mode === 'keep';
  if (unedited && !hasForeignData(model, path)) {
    const { source, length } = model.carried!;
    const write = (sink: ByteSink) => copyRange(source, 0, length, sink);
    return {
      outputs: [{ path, write }],
      report: { path, byteLength: length, dataFile: null, notes: [] },
    };
  }
  return planEncoding(model, path, {
    mode,
    canonical: options.canonical ?? false,
    within: locations(path, options.standIns),
    ...(mode === 'copy' ? { copyOf: (place) => fileToCopy(model, place) } : {}),
  });
}

/**
 * Writes a model, whole or not at all, in flat memory. Throws LOTR1201 when the system refuses, LOTR1202 when the
 * output would be one of the inputs, LOTR1203 when linked weights lie in another folder, LOTR1204 beyond 2 GiB inline.
 */
export function writeModel(model: Model, path: string, options: WriteOptions = {}): WriteReport {
  const { outputs, report } = planModel(model, path, options);
  writeAtomically(outputs);
  return report;
}

/** True when an unedited model refers to data that the output's folder does not hold. */
function hasForeignData(model: Model, path: string): boolean {
  const home = model.path === null ? null : statSync(dirname(model.path));
  const there = existsSync(dirname(path)) ? statSync(dirname(path)) : null;
  if (home && there && home.dev === there.dev && home.ino === there.ino) return false;
  for (const { carried } of storedTensors(model)) if (carried?.external) return true;
  return false;
}

function refuseInput(model: Model, output: string): void {
  const stat = existsSync(output) ? statSync(output) : null;
  if (!stat) return;
  for (const input of filesOf(model)) {
    const held = existsSync(input) ? statSync(input) : null;
    if (held && held.dev === stat.dev && held.ino === stat.ino)
      fail(wouldOverwriteInput({ file: output, input }));
  }
}

/** How an output at a path refers to files on the disk; `standIns` as in {@link WriteOptions}. */
function locations(
  path: string,
  standIns: ReadonlyMap<string, string> = new Map(),
): (target: string) => string | null {
  const folder = realFolder(dirname(path));
  return (target) => relativeTo(folder, standIns.get(target) ?? target);
}

/** The path of `target` relative to `folder` in the form that ONNX uses, or null when it is not in or below it. */
function relativeTo(folder: string, target: string): string | null {
  if (target.startsWith('<')) return null;
  // a file that is not there is reported when its data is read
  const inner = relative(folder, existsSync(target) ? realpathSync(target) : target);
  return inner === '..' || inner.startsWith(`..${sep}`) || inner === '' ? null : inner.split(sep).join('/');
}
