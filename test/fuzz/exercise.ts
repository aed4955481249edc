import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { inspect, inspectJson } from '../../src/inspect.js';
import { LotrcError } from '../../src/ir/diagnostics.js';
import { readOnnxAdapter } from '../../src/ir/files/onnx-adapter.js';
import { readPeft } from '../../src/ir/files/peft-read.js';
import { readSafetensors } from '../../src/ir/files/safetensors.js';
import type { Model } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { encodeModel, writeModel } from '../../src/ir/onnx/writer.js';
import type { TensorData } from '../../src/ir/tensor.js';
import { parseModel, printModel } from '../../src/ir/text/index.js';
import { verify } from '../../src/ir/verify.js';
import { type Adapter, apply, extract, merge, rewrite, strip } from '../../src/rewrite.js';
import type { Input } from './inputs.js';
import type { Workspace } from './workspace.js';

/** Codes of the diagnostics that the steps ended in; no step may end in anything else but success. */
export type Outcome = readonly string[];

/**
 * Does with a file all that the command line does with one: reads it, and with what was read verifies, prints, parses
 * again, inspects, rewrites, writes, extracts, merges and strips. Throws what is a defect: an error that is not a
 * LotrcError, or a LOTR9xxx.
 */
export function exercise({ format, bytes }: Input, workspace: Workspace): Outcome {
  const codes: string[] = [];
  const step = <T>(run: () => T): T | null => {
    try {
      return run();
    } catch (error) {
      if (!(error instanceof LotrcError)) throw error;
      // a pass that fails with an error of its own says so in a diagnostic: that is a defect too
      if (error.diagnostics.some(({ code }) => code.startsWith('LOTR9'))) throw error;
      codes.push(error.diagnostics[0]!.code);
      return null;
    }
  };
  if (format === 'onnx' || format === 'onnxtxt') {
    const path = workspace.path(`input.${format}`);
    writeFileSync(path, bytes);
    const text = Buffer.from(bytes).toString('utf8');
    const open = () => (format === 'onnx' ? readModel(path) : parseModel(text, path));
    if (step(open)) exerciseModel(open, step, workspace);
  } else {
    const adapter = step(() => readAdapter(format, bytes, workspace));
    for (const data of adapter?.values() ?? []) step(() => drain(data));
    if (format === 'safetensors' && adapter) {
      const base = () => readModel(workspace.path('seed.onnx'));
      step(() => encodeModel(applied(base(), readSafetensors(workspace.path(`input.${format}`)))));
      step(() => merge(base(), readSafetensors(workspace.path(`input.${format}`))));
    }
  }
  return codes;
}

type Step = <T>(run: () => T) => T | null;

function exerciseModel(open: () => Model, step: Step, workspace: Workspace): void {
  const model = open();
  const faults = step(() => verify(model));
  const text = step(() => printModel(model));
  if (text !== null) step(() => printModel(parseModel(text, workspace.path('printed.onnxtxt'))));
  for (const { initializers } of model.everyGraph()) {
    for (const { constant } of initializers.values()) if (constant) step(() => drain(constant));
  }
  step(() => encodeModel(model, { canonical: true }));
  step(() => inspectJson(inspect(open())));
  // the commands refuse a model with faults before they change it
  if (!faults || faults.some(({ severity }) => severity === 'error')) return;
  const adapted = workspace.path('adapted.onnx');
  const adapter = step(() => {
    const changed = open();
    const result = rewrite(changed, { rank: 1, replace: true, targets: ['.*'] });
    writeModel(changed, adapted, { weights: 'copy' });
    return result.adapter;
  });
  if (!adapter) return;
  step(() => extract(readModel(adapted)));
  step(() => apply(open(), adapter));
  step(() => {
    const changed = readModel(adapted);
    merge(changed);
    encodeModel(changed);
  });
  step(() => {
    const changed = readModel(adapted);
    strip(changed);
    encodeModel(changed);
  });
}

/** Reads all of a tensor's data, holding none of it. */
function drain(data: TensorData): void {
  if (data.dtype === 'string') data.strings();
  else data.copyTo({ write: () => undefined });
}

function readAdapter(
  format: string,
  bytes: Uint8Array,
  workspace: Workspace,
): ReadonlyMap<string, TensorData> {
  const path = workspace.path(`input.${format}`);
  if (format !== 'peft.json') {
    writeFileSync(path, bytes);
    return (format === 'safetensors' ? readSafetensors(path) : readOnnxAdapter(path)).tensors;
  }
  const folder = workspace.path('peft-input');
  if (!existsSync(folder)) {
    mkdirSync(folder);
    copyFileSync(workspace.path('peft/adapter_model.safetensors'), `${folder}/adapter_model.safetensors`);
  }
  writeFileSync(`${folder}/adapter_config.json`, bytes);
  const layers = readPeft(folder);
  return new Map(
    layers.flatMap(({ module, a, b }) => [[`${module}.a`, a] as const, [`${module}.b`, b] as const]),
  );
}

function applied(model: Model, adapter: Adapter): Model {
  apply(model, adapter);
  return model;
}
