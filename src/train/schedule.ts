import type { RateScheduleKind } from '../options/words.js';

/** The learning rate over a run. */
export interface RateSchedule {
  readonly kind: RateScheduleKind;
  /** after warm-up */
  readonly peak: number;
  /** where linear, cosine and polynomial end */
  readonly floor: number;
  /** exponent of polynomial */
  readonly power: number;
  /** steps of linear rise */
  readonly warmup: number;
  readonly total: number;
}

/**
 * Learning rate of a step (from 0), in float64. Warm-up rises as (step + 1) / (warmup + 1), so that the first step has
 * an effect and the first step after it has the peak. Then, with p from 0 to 1 over the rest of the run: constant;
 * linear, 1 - p; cosine, (1 + cos(pi p)) / 2; polynomial, (1 - p)^power, between peak and floor.
 */
export function learningRate(schedule: RateSchedule, step: number): number {
  const { kind, peak, floor, power, warmup, total } = schedule;
  if (step < warmup) return (peak * (step + 1)) / (warmup + 1);
  if (kind === 'constant') return peak;
  const p = Math.min(1, (step - warmup) / Math.max(1, total - warmup));
  const part =
    kind === 'cosine' ? (1 + Math.cos(Math.PI * p)) / 2 : (1 - p) ** (kind === 'linear' ? 1 : power);
  return floor + (peak - floor) * part;
}

/** Steps of warm-up: a share of the run when below 1, else a number of steps. */
export function warmupSteps(warmup: number, total: number): number {
  return warmup < 1 ? Math.round(warmup * total) : Math.min(Math.round(warmup), total);
}
