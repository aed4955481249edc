import { type MetricName, metricDef } from '../../train/metrics/index.js';
import { inRound, type Search, type StudyRun } from './grid.js';
import type { RunRecord } from './record.js';

/**
 * The runs of the next round of a halving: of each task the best of those that ended, one in `factor`, in the order of the
 * grid; none where a single one is left.
 */
export function nextRound(
  runs: readonly StudyRun[],
  records: ReadonlyMap<string, RunRecord>,
  search: Extract<Search, { kind: 'halving' }>,
): readonly StudyRun[] {
  const metric: MetricName = search.metric ?? 'loss';
  const sign = metricDef(metric).better === 'larger' ? -1 : 1;
  return [...new Set(runs.map(({ task }) => task))].flatMap((task) => {
    const own = runs.filter((run) => run.task === task);
    const scored = own.flatMap((run, place) => {
      const value = records.get(run.id)?.metrics?.[metric];
      return value === null || value === undefined ? [] : [{ run, place, value: sign * value }];
    });
    if (own.length < 2) return [];
    const kept = scored
      .sort((a, b) => a.value - b.value || a.place - b.place)
      .slice(0, Math.ceil(own.length / search.factor));
    return kept.sort((a, b) => a.place - b.place).map(({ run }) => inRound(run, run.round! + 1, search));
  });
}
