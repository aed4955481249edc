import { metricUnknown } from '../ir/codes/train-loop.js';
import { fail } from '../ir/diagnostics.js';
import type { Evaluation } from './evaluate.js';
import { METRIC_NAMES, type MetricName, metricDef } from './metrics/index.js';

/** The best evaluation so far. */
export interface BestEvaluation {
  readonly step: number;
  readonly loss: number;
  /** value of the metric that evaluations are compared by */
  readonly value: number;
}

/** The metric of an evaluation. Throws LOTR8241 when this kind of model and data has no such metric. */
export function metricOf(evaluation: Evaluation, metric: MetricName): number {
  const value = evaluation[metric];
  if (value !== null) return value;
  return fail(metricUnknown({ metric, known: METRIC_NAMES.filter((name) => evaluation[name] !== null) }));
}

/** Whether a value is better than the best one. A value that is not finite never is, also when it is the first. */
export function isBetter(value: number, best: BestEvaluation | null, metric: MetricName): boolean {
  if (!Number.isFinite(value)) return false;
  if (best === null) return true;
  return metricDef(metric).better === 'larger' ? value > best.value : value < best.value;
}
