import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { PLAN_KEY } from '../adapter/saved-plan.js';
import { notAnAdapter } from '../ir/codes/adapters.js';
import { needsModel } from '../ir/codes/files.js';
import { fail } from '../ir/diagnostics.js';
import { isFolder } from '../ir/files/folders.js';
import { readOnnxAdapter } from '../ir/files/onnx-adapter.js';
import { readSafetensors } from '../ir/files/safetensors.js';
import type { Model } from '../ir/model.js';
import type { Adapter } from '../passes/adapters/adapter-file.js';
import { FLEET_KEY, readFleetMember } from './fleet.js';
import type { ForeignAdapter } from './foreign.js';
import { readGgufAdapter } from './gguf-read.js';
import type { GgufOptions } from './gguf-write.js';
import { isKohya, readKohya } from './kohya-read.js';
import { CONFIG_FILE } from './peft-config.js';
import { readPeft, WEIGHTS_FILE } from './peft-read.js';

/** An adapter of lotrc, or one of another program that has to be bound to a model first. */
export type AnyAdapter =
  | { readonly kind: 'own'; readonly adapter: Adapter }
  | { readonly kind: 'foreign'; readonly foreign: ForeignAdapter };

/** An .onnx_adapter file names inputs, which a base does not have. */
const OF_INPUTS =
  'its tensors are inputs of a rewritten model, not of the base: make another form with `lotrc convert ADAPTER --model REWRITTEN.onnx`';

/**
 * Reads the adapter at a path, whatever wrote it: a file of lotrc (also one that was compressed), a folder of PEFT or the weights in it, a LoRA file of the kohya
 * form, a .gguf file of llama.cpp (`headSize`: see there), an .onnx_adapter file, whose plan is that of the rewritten `model`. Throws LOTR1002, LOTR3303 for tensors that are not an adapter,
 * LOTR7204 where the model is needed, and what the readers throw.
 */
export function openAdapter(
  path: string,
  model: Model | null = null,
  { headSize }: Pick<GgufOptions, 'headSize'> = {},
): AnyAdapter {
  if (isFolder(path)) return { kind: 'foreign', foreign: readPeft(path) };
  if (basename(path) === CONFIG_FILE) return { kind: 'foreign', foreign: readPeft(dirname(path)) };
  if (path.endsWith('.gguf')) return { kind: 'foreign', foreign: readGgufAdapter(path, headSize) };
  if (path.endsWith('.onnx_adapter')) {
    const { tensors } = readOnnxAdapter(path);
    const plan = model?.metadata.get(PLAN_KEY);
    if (plan === undefined)
      return fail(needsModel({ file: path, why: 'which layers its tensors belong to', hint: OF_INPUTS }));
    return { kind: 'own', adapter: { tensors, metadata: { format: 'pt', [PLAN_KEY]: plan } } };
  }
  const file = readSafetensors(path);
  if (file.metadata[PLAN_KEY] !== undefined) return { kind: 'own', adapter: file };
  if (file.metadata[FLEET_KEY] !== undefined)
    return { kind: 'foreign', foreign: readFleetMember(path, dirname(path), file) };
  if (isKohya(file.tensors.keys())) return { kind: 'foreign', foreign: readKohya(path, file.tensors) };
  if (existsSync(join(dirname(path), CONFIG_FILE))) return { kind: 'foreign', foreign: readPeft(path) };
  return fail(notAnAdapter({ file: path }));
}

/** The files that an adapter at a path consists of, which no output may replace. */
export function filesOfAdapter(path: string): readonly string[] {
  const folder = isFolder(path) ? path : basename(path) === CONFIG_FILE ? dirname(path) : null;
  return folder === null ? [path] : [join(folder, CONFIG_FILE), join(folder, WEIGHTS_FILE)];
}
