import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { badRun } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import { JsonError, parseJson } from '../ir/files/json.js';
import { readSafetensors, writeSafetensors } from '../ir/files/safetensors.js';
import { SchemaError } from '../ir/files/schema.js';
import type { TensorData } from '../ir/tensor.js';
import type { BestEvaluation } from './best.js';
import type { LossScale } from './loss-scale.js';
import type { TrainingRun } from './run.js';
import { positionSchema } from './settings-schema.js';

/** Where a run is after a step. */
export interface Position {
  /** attempts at a step so far: what was taken from the data */
  readonly step: number;
  /** updates that happened; less than `step` where gradients overflowed */
  readonly updates: number;
  readonly scale: LossScale;
  /** the best evaluation so far */
  readonly best: BestEvaluation | null;
  /** evaluations since the best one */
  readonly stale: number;
}

const FILE = 'checkpoint.safetensors';
const KEY = 'lotrc.run';

/** Parameters, optimizer state (`run.save()`) and position in one file, written whole or not at all. */
export function writeCheckpoint(
  folder: string,
  { metadata }: TrainingRun,
  state: ReadonlyMap<string, TensorData>,
  position: Position,
): void {
  writeSafetensors(join(folder, FILE), state, { ...metadata, [KEY]: JSON.stringify(position) });
}

/** Where the last checkpoint of a run is; null when there is none, or it is refused where it is read as a whole. */
export function readPosition(folder: string): Position | null {
  const file = join(folder, FILE);
  return existsSync(file) ? positionOf(readSafetensors(file).metadata[KEY]) : null;
}

/** Puts a run where its last checkpoint was; null when none was written yet. Throws LOTR8212. */
export function readCheckpoint(folder: string, run: TrainingRun): Position | null {
  const file = join(folder, FILE);
  if (!existsSync(file)) return null;
  const { tensors, metadata } = readSafetensors(file);
  const position = positionOf(metadata[KEY]);
  if (!position) return fail(badRun({ file, why: 'it does not have the position of the run' }));
  for (const [name, shape] of run.shapes) {
    const found = tensors.get(name);
    if (found?.dtype === 'f32' && `${found.shape}` === `${shape}`) continue;
    fail(badRun({ file, why: `its tensor "${name}" is not the one of the training directory` }));
  }
  run.load(tensors);
  run.t = position.updates;
  run.lossScale = position.scale.value;
  return position;
}

function positionOf(text: string | undefined): Position | null {
  if (text === undefined) return null;
  try {
    return positionSchema(parseJson(text), '');
  } catch (error) {
    if (error instanceof JsonError || error instanceof SchemaError) return null;
    throw error;
  }
}
