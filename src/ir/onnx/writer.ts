import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { WeightsMode } from '../../options/words.js';
import { tooLargeToInline, wouldOverwriteInput } from '../codes/load.js';
import { type Diagnostic, fail } from '../diagnostics.js';
import { type Output, writeAtomically } from '../files/atomic.js';
import { filesOf, storedTensors } from '../files-of.js';
import type { Model } from '../model.js';
import type { ByteSink } from '../tensor.js';
import { fileToCopy } from './copied-file.js';
import type { ProtoMessage } from './encode.js';
import { ModelEncoder } from './graph-write.js';
import { copyRange, FileSource } from './source.js';
import { DataFile, placement } from './weights.js';

export type { WeightsMode } from '../../options/words.js';

export interface WriteOptions {
  readonly weights?: WeightsMode;
  /** encode everything again instead of copying what was not edited; the result means the same */
  readonly canonical?: boolean;
  /** for files of the base: the same file (a hard link or a copy) in the output's folder, to be referred to instead */
  readonly standIns?: ReadonlyMap<string, string>;
}

export interface WriteReport {
  readonly path: string;
  readonly byteLength: number;
  /** the data file next to the model, when one was written */
  readonly dataFile: { readonly path: string; readonly byteLength: number } | null;
  readonly notes: readonly Diagnostic[];
}

/** A protobuf message ends here. */
const MAX_MESSAGE = 0x7fffffff;

/**
 * Plans the writing of a model: the outputs of `writeModel`, as outputs that can be written together with other files.
 * A model that was read and not edited is written as the same bytes that it was read from.
 */
export function planModel(
  model: Model,
  path: string,
  options: WriteOptions = {},
): { readonly outputs: readonly Output[]; readonly report: WriteReport } {
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
  let file = new DataFile(dataPath);
  const whole =
    mode === 'copy' ? fileToCopy(model, placement(mode, path, file, false, options.standIns)) : null;
  const encode = (spill: boolean) => {
    file = new DataFile(dataPath, whole);
    const encoder = new ModelEncoder(
      placement(mode, path, file, spill, options.standIns),
      options.canonical ?? false,
    );
    return { message: encoder.model(model), encoder };
  };
  let { message, encoder } = encode(false);
  if (message.size() > MAX_MESSAGE) {
    if (mode === 'inline') fail(tooLargeToInline({ file: path, bytes: message.size() }));
    ({ message, encoder } = encode(true));
    if (message.size() > MAX_MESSAGE) fail(tooLargeToInline({ file: path, bytes: message.size() }));
  }
  const outputs: Output[] = [];
  const repeats = model.path ?? undefined;
  const data = file;
  if (!data.isEmpty) {
    outputs.push({ path: dataPath, copyOf: whole, repeats, write: (sink) => data.writeTo(sink) });
  }
  outputs.push({
    path,
    repeats,
    write: (sink) => {
      message.writeTo(sink);
      checkSources(model);
    },
  });
  return {
    outputs,
    report: {
      path,
      byteLength: message.size(),
      dataFile: data.isEmpty ? null : { path: dataPath, byteLength: data.size },
      notes: encoder.notes,
    },
  };
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

/** The model as bytes, weights inline. For models that fit into memory: tests, small artifacts. */
export function encodeModel(model: Model, options: { readonly canonical?: boolean } = {}): Uint8Array {
  const chunks: Uint8Array[] = [];
  const sink: ByteSink = { write: (chunk) => chunks.push(Uint8Array.from(chunk)) };
  if (!model.edited && model.carried && !options.canonical) {
    copyRange(model.carried.source, 0, model.carried.length, sink);
  } else {
    const encoder = new ModelEncoder(
      (_name, data) =>
        data.carried?.external ? { kind: 'inline' } : data.carried ? null : { kind: 'inline' },
      options.canonical ?? false,
    );
    const message: ProtoMessage = encoder.model(model);
    message.writeTo(sink);
  }
  return Buffer.concat(chunks);
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

/** The base must still be what was read: its bytes are in the output now. */
function checkSources(model: Model): void {
  const source = model.carried?.source;
  if (source instanceof FileSource) source.checkUnchanged();
}
