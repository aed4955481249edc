import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Side } from '../../src/backends/ort/compare.js';
import { runOnSome } from '../../src/backends/ort/extents.js';
import { OrtProcess } from '../../src/backends/ort/process.js';
import { toleranceFor } from '../../src/backends/ort/tolerance.js';
import { goldenDiffers, goldenMissing } from '../../src/ir/codes/build.js';
import { type Diagnostic, LotrcError } from '../../src/ir/diagnostics.js';
import type { Output } from '../../src/ir/files/atomic.js';
import { loadModel, readText } from '../load.js';
import { modelText } from '../model-text.js';
import { compareRecorded, readRecord, recordOutput } from '../numbers.js';
import { num } from '../text.js';
import { changesText, textChanges } from '../text-changes.js';
import { shownPath } from './find-config.js';
import type { BuildOutcome } from './run.js';

/** A golden file that is not as it should be. */
export interface Finding {
  readonly diagnostic: Diagnostic;
  /** what differs, for readers */
  readonly shown: string;
  /** what `--update` writes */
  readonly output: Output;
}

/** Compares an expected text with what is there now; null where they are equal. */
export function checkText(path: string, shown: string, now: string): Finding | null {
  const output: Output = { path, write: (sink) => sink.write(Buffer.from(now)) };
  if (!existsSync(path)) return { diagnostic: goldenMissing({ file: shown }), shown: '', output };
  const before = readText(path);
  if (before === now) return null;
  const changes = textChanges(before, now);
  const what = changes.length === 0 ? 'the order of its lines' : `${num(changes.length)} of its lines`;
  return { diagnostic: goldenDiffers({ file: shown, what }), shown: changesText(changes), output };
}

/**
 * Compares a model with what is expected of it, in files called after it: its adapters and its text form, and with `numbers` its
 * outputs. Throws LOTR80xx when it cannot be run.
 */
export async function checkModel(
  model: string,
  folder: string,
  numbers: boolean,
): Promise<readonly (Finding | null)[]> {
  const at = (ending: string) => join(folder, `${basename(model)}${ending}`);
  const text = at('.txt');
  const read = loadModel(model);
  const found = checkText(text, shownPath(text), modelText(read));
  if (!numbers) return [found];
  const recorded = at('.numbers.safetensors');
  return [found, await checkNumbers({ path: model, model: read }, recorded, shownPath(recorded))];
}

/** What is expected of a folder: its files by their digests. */
export function textOfFiles({ files }: BuildOutcome): string {
  return files.map(({ path, bytes, digest }) => `${path}  ${num(bytes)} bytes  ${digest}\n`).join('');
}

/**
 * Runs a model on the inputs of a file and compares its outputs with those there, within the tolerance of the file; null
 * where they agree. Where there is none, inputs are made from a seed. Throws LOTR80xx when the model cannot be run.
 */
async function checkNumbers(side: Side, path: string, shown: string): Promise<Finding | null> {
  const host = new OrtProcess();
  const record = async (): Promise<Output> => {
    const { inputs, outputs } = await runOnSome(side, { host });
    return recordOutput(path, { inputs, outputs, tolerance: toleranceFor([side.model]).value, model: null });
  };
  try {
    if (!existsSync(path))
      return { diagnostic: goldenMissing({ file: shown }), shown: '', output: await record() };
    let what = '';
    try {
      const recorded = readRecord(path);
      const { tolerance } = recorded;
      const { outputs } = await runOnSome(side, { host, inputs: recorded.inputs });
      const over = compareRecorded(recorded, outputs).filter(({ relative }) => !(relative <= tolerance));
      what = over
        .map(
          ({ name, relative }) =>
            `output ${JSON.stringify(name)} by ${relative.toExponential(2)} of its largest value, where ${tolerance} is allowed`,
        )
        .join('; ');
    } catch (error) {
      // other inputs or outputs than the model had, or no record
      if (!(error instanceof LotrcError) || !/^LOTR8(?:00[47]|010|310)$/.test(error.diagnostics[0]!.code))
        throw error;
      what = error.diagnostics[0]!.message;
    }
    return what === ''
      ? null
      : { diagnostic: goldenDiffers({ file: shown, what }), shown: '', output: await record() };
  } finally {
    host.close();
  }
}
