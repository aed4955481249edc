import { missingRates } from '../ir/codes/train-loop.js';
import { fail } from '../ir/diagnostics.js';
import { learningRate, type RateSchedule } from './schedule.js';
import type { GroupRate, Signature } from './signature.js';

/** The learning rates of one step. */
export interface StepRates {
  /** of the run */
  readonly lr: number;
  /** of the groups that have a rate or a schedule of their own, in the order of `rates` in the signature */
  readonly groups: readonly number[];
}

/**
 * The rates of a step (from 0). A group follows the schedule of the run, or one of its own kind over the same steps and warm-up,
 * and ends at the same share of its largest rate: as in PyTorch, where a LambdaLR multiplies the rate of each group.
 */
export function ratesAt(
  { rates = [] }: Pick<Signature, 'rates'>,
  schedule: RateSchedule,
  step: number,
): StepRates {
  const groups = rates.map((own) => learningRate(scheduleOf(own, schedule), step));
  return { lr: learningRate(schedule, step), groups };
}

/** The rates of groups that do not learn at that of the run, by their patterns, for people and logs. */
export const ratesByPattern = (
  { rates = [], multiples = [] }: Pick<Signature, 'rates' | 'multiples'>,
  { lr, groups }: StepRates,
): ReadonlyMap<string, number> =>
  new Map([
    ...rates.map(({ pattern }, k) => [pattern, groups[k]!] as const),
    ...multiples.map(({ pattern, times, rate }) => [pattern, times * (groups[rate ?? -1] ?? lr)] as const),
  ]);

function scheduleOf({ lr, schedule: kind }: GroupRate, run: RateSchedule): RateSchedule {
  const peak = lr ?? run.peak;
  const floor = run.peak === 0 ? 0 : run.floor * (peak / run.peak);
  return { ...run, kind: kind ?? run.kind, peak, floor: lr === undefined ? run.floor : floor };
}

/** One number is enough where no group has a rate of its own. Throws LOTR8246 where some group has no rate. */
export function fullRates({ rates = [] }: Pick<Signature, 'rates'>, given: number | StepRates): StepRates {
  const full = typeof given === 'number' ? { lr: given, groups: [] } : given;
  if (full.groups.length !== rates.length)
    fail(missingRates({ patterns: rates.map(({ pattern }) => pattern), given: full.groups.length }));
  return full;
}
