import { badRun } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import { JsonError, parseJson } from '../ir/files/json.js';
import {
  fits,
  later,
  nullable,
  number,
  object,
  optional,
  type Schema,
  SchemaError,
  whole,
} from '../ir/files/schema.js';
import type { BestEvaluation } from './best.js';
import { groupsEntry, requireGroups } from './checkpoint-groups.js';
import type { LossScale } from './loss-scale.js';
import type { TrainingSteps } from './training-steps.js';

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

/** Before the first step. */
export function firstPosition(lossScale: number): Position {
  return { step: 0, updates: 0, scale: { value: lossScale, steady: 0, skipped: 0 }, best: null, stale: 0 };
}

const KEY = 'lotrc.run';
const above0 = fits<number>('a number above 0', (value) => Number.isFinite(value) && (value as number) > 0);

/** Metadata of a checkpoint: those of the parameters, how they learn, and the position. */
export function withPosition(
  { metadata, signature }: Pick<TrainingSteps, 'metadata' | 'signature'>,
  position: Position,
): Readonly<Record<string, string>> {
  return { ...metadata, ...groupsEntry(signature), [KEY]: JSON.stringify(position) };
}

const best: Schema<BestEvaluation> = (value, field) => {
  const read = object<Omit<BestEvaluation, 'value'> & { readonly value?: number | undefined }>({
    step: whole(),
    loss: number,
    value: optional(number),
  })(value, field);
  // checkpoints of older versions compare by the loss
  return { ...read, value: read.value ?? read.loss };
};

/** Where a run is, as a checkpoint has it. */
const positionSchema: Schema<Position> = object<Position>({
  step: whole(),
  updates: whole(),
  scale: object<LossScale>({ value: above0, steady: whole(), skipped: whole() }),
  best: nullable(best),
  stale: later(whole(), 0),
});

/** The position in the metadata of a checkpoint; null when there is none that can be read. */
export function positionIn(metadata: Readonly<Record<string, string>>): Position | null {
  const text = metadata[KEY];
  if (text === undefined) return null;
  try {
    return positionSchema(parseJson(text), '');
  } catch (error) {
    if (error instanceof JsonError || error instanceof SchemaError) return null;
    throw error;
  }
}

/**
 * Where the checkpoint in a file puts a run, whose tensors the caller then loads. Throws LOTR8212 when it has no position, or other
 * tensors than the run, LOTR8211 when parameters learnt at other rates.
 */
export function positionFor(
  run: TrainingSteps,
  file: string,
  metadata: Readonly<Record<string, string>>,
  tensors: ReadonlyMap<string, { readonly dtype: string; readonly shape: readonly number[] }>,
): Position {
  const position = positionIn(metadata);
  if (!position) return fail(badRun({ file, why: 'it does not have the position of the run' }));
  for (const [name, shape] of run.shapes) {
    const found = tensors.get(name);
    if (found?.dtype === 'f32' && `${found.shape}` === `${shape}`) continue;
    fail(badRun({ file, why: `its tensor "${name}" is not the one of the training directory` }));
  }
  requireGroups(file, metadata, run.signature);
  return position;
}

/** Makes the next step the one after a position. */
export function goOnFrom(run: TrainingSteps, { updates, scale }: Position): void {
  run.t = updates;
  run.lossScale = scale.value;
}
