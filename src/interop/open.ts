import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PLAN_KEY } from '../adapter/saved-plan.js';
import { notAnAdapter } from '../ir/codes/adapters.js';
import { fail } from '../ir/diagnostics.js';
import { isFolder } from '../ir/files/folders.js';
import { readSafetensors } from '../ir/files/safetensors.js';
import type { Adapter } from '../passes/adapters/adapter-file.js';
import type { ForeignAdapter } from './foreign.js';
import { isKohya, readKohya } from './kohya-read.js';
import { CONFIG_FILE } from './peft-config.js';
import { readPeft, WEIGHTS_FILE } from './peft-read.js';

/** An adapter of lotrc, or one of another program that has to be bound to a model first. */
export type AnyAdapter =
  | { readonly kind: 'own'; readonly adapter: Adapter }
  | { readonly kind: 'foreign'; readonly foreign: ForeignAdapter };

/**
 * Reads the adapter at a path, whatever wrote it: a file of lotrc, a folder of PEFT or the weights in it, a LoRA file of the kohya
 * form. Throws LOTR1002, LOTR3303 for tensors that are not an adapter, and what the readers throw.
 */
export function openAdapter(path: string): AnyAdapter {
  if (isFolder(path)) return { kind: 'foreign', foreign: readPeft(path) };
  const file = readSafetensors(path);
  if (file.metadata[PLAN_KEY] !== undefined) return { kind: 'own', adapter: file };
  if (isKohya(file.tensors.keys())) return { kind: 'foreign', foreign: readKohya(path, file.tensors) };
  if (existsSync(join(dirname(path), CONFIG_FILE))) return { kind: 'foreign', foreign: readPeft(path) };
  return fail(notAnAdapter({ file: path }));
}

/** The files that an adapter at a path consists of, which no output may replace. */
export function filesOfAdapter(path: string): readonly string[] {
  return isFolder(path) ? [join(path, CONFIG_FILE), join(path, WEIGHTS_FILE)] : [path];
}
