import type { Evaluated, MetricDef } from './define.js';
import { METRICS } from './metrics.js';

export type MetricName = (typeof METRICS)[number]['name'];

export const METRIC_NAMES: readonly MetricName[] = METRICS.map(({ name }) => name);

/** The value of each metric; null where an evaluation does not have it. */
export type MetricValues = Readonly<Record<MetricName, number | null>>;

/** What is known of a metric. */
export function metricDef(name: MetricName): MetricDef {
  return METRICS.find((def) => def.name === name)!;
}

/** The metrics of an evaluation. */
export function metricsOf(seen: Evaluated): MetricValues {
  return valuesBy((def) => def.of(seen));
}

/** The metrics of an evaluation of several losses: each of them has its own, and together they have a loss. */
export function lossAlone(loss: number): MetricValues {
  return valuesBy(({ name }) => (name === 'loss' ? loss : null));
}

function valuesBy(of: (def: MetricDef) => number | null): MetricValues {
  return Object.fromEntries(METRICS.map((def) => [def.name, of(def)])) as MetricValues;
}
