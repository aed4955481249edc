import { diverged } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import { ALONE, type ProcessGroup } from './distributed/group.js';
import type { StepRates } from './group-rates.js';
import { MAX_SKIPPED, nextScale } from './loss-scale.js';
import type { Position } from './position.js';
import type { Batch, StepResult, TrainingSteps } from './training-steps.js';

/** What every step of a run has in common. */
export interface StepPlan {
  /** batches of a step; a step may have fewer */
  readonly accumulate: number;
  /** loss scale at the start, a power of two */
  readonly lossScale: number;
  /** number of the first draw of masks of Dropout: see `firstDrawOf` */
  readonly firstDraw: number;
}

/** What a process takes of the batches of each step. */
export interface StepShare {
  readonly group: ProcessGroup;
  /** parts that each batch of a step is cut into */
  readonly parts: number;
  /** number of the first part of this process among all parts of the step */
  readonly first: number;
}

/** Takes one step over its batches: a position from which a run goes on in the same bits, wherever it was stopped. */
export async function advance(
  run: TrainingSteps,
  plan: StepPlan,
  at: Position,
  batches: readonly Batch[],
  rates: number | StepRates,
  { group, parts, first }: StepShare = { group: ALONE, parts: 1, first: 0 },
): Promise<{ readonly at: Position; readonly result: StepResult }> {
  run.draw = plan.firstDraw + at.step * plan.accumulate * parts + first;
  const result =
    batches.length === 1 && plan.accumulate === 1 && group.size === 1 && !run.signature.changes
      ? await run.step(batches[0]!, rates)
      : await run.accumulate(batches, rates, group);
  const scale = nextScale(at.scale, result.finite, plan.lossScale);
  run.lossScale = scale.value;
  return { at: { ...at, step: at.step + 1, updates: run.t, scale }, result };
}

/** Throws LOTR8213 when a run has had no finite gradient in more steps in a row than chance explains. */
export function requireConverging({ step, scale: { skipped, value } }: Position): void {
  if (skipped >= MAX_SKIPPED) fail(diverged({ step, skipped, scale: value }));
}

/** The name of the stream of random numbers whose first one, for the seed of a run, chooses its first draw. */
export const DRAW_STREAM = 'train.dropout';

/** `uniform`: the first number of the stream, from 0 to 1. */
export function firstDrawOf({ draws = 1 }: { readonly draws?: number }, uniform: number): number {
  return Math.floor(uniform * draws);
}
