import type { WeightsMode } from '../../options/words.js';
import { concatBytes } from '../bytes.js';
import { tooLargeToInline } from '../codes/load.js';
import { type Diagnostic, fail } from '../diagnostics.js';
import type { Output } from '../files/atomic.js';
import type { Model } from '../model.js';
import type { ByteSink } from '../tensor.js';
import type { CopiedFile } from './copied-file.js';
import type { ProtoMessage } from './encode.js';
import { ModelEncoder, type TensorPlacer } from './graph-write.js';
import { copyRange } from './source.js';
import { DataFile, placement } from './weights.js';

export interface WriteReport {
  readonly path: string;
  readonly byteLength: number;
  /** the data file next to the model, when one was written */
  readonly dataFile: { readonly path: string; readonly byteLength: number } | null;
  readonly notes: readonly Diagnostic[];
}

/** Outputs that can be written together with other files, and what they will be. */
export interface PlannedModel {
  readonly outputs: readonly Output[];
  readonly report: WriteReport;
}

/** Where a model goes, and how its files refer to those of the base. */
export interface OutputPlace {
  readonly mode: WeightsMode;
  readonly canonical: boolean;
  /** The location by which the output refers to a file, null for one that is not in or below its folder. */
  within(target: string): string | null;
  /** The file of the base that the data file begins as a copy of, or null; `place` says what goes into the data file. */
  copyOf?(place: TensorPlacer): CopiedFile | null;
}

/** A protobuf message ends here. */
const MAX_MESSAGE = 0x7fffffff;

/** Plans the encoding of a model at `path`, whose data file, if one is needed, lies next to it. Throws LOTR1203, LOTR1204. */
export function planEncoding(model: Model, path: string, place: OutputPlace): PlannedModel {
  const { mode, canonical } = place;
  const within = (target: string) => place.within(target);
  const dataPath = `${path}.data`;
  const whole = place.copyOf?.(placement(mode, path, within, new DataFile(dataPath), false)) ?? null;
  const encode = (spill: boolean) => {
    const file = new DataFile(dataPath, whole);
    const encoder = new ModelEncoder(placement(mode, path, within, file, spill), canonical);
    return { message: encoder.model(model), encoder, data: file };
  };
  let { message, encoder, data } = encode(false);
  if (message.size() > MAX_MESSAGE) {
    if (mode === 'inline') fail(tooLargeToInline({ file: path, bytes: message.size() }));
    ({ message, encoder, data } = encode(true));
    if (message.size() > MAX_MESSAGE) fail(tooLargeToInline({ file: path, bytes: message.size() }));
  }
  const outputs: Output[] = [];
  const repeats = model.path ?? undefined;
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
  return concatBytes(chunks);
}

/** The base must still be what was read: its bytes are in the output now. */
function checkSources(model: Model): void {
  model.carried?.source.checkUnchanged?.();
}
