import { readFileSync } from 'node:fs';
import { markdownTable } from '../../cli/dev/docs/markdown.js';
import { type SummaryRow, summaryOf } from '../../src/build/study/summary.js';

/** A result of the study of ranks that are cut down: a line of its file. */
export interface RankResult {
  readonly how: string;
  readonly seed: number;
  readonly rank: number;
  readonly steps: number;
  readonly loss: number;
  readonly accuracy: number;
  /** of the changes of weights that the cut leaves, relative */
  readonly error: number | null;
}

export function readRankResults(file: string): RankResult[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as RankResult);
}

/** values of the head, which is trained too */
const HEAD = 130;

/** Trained values of the factors: eight layers of 64 x 64, queries and values, share R and L. */
export function factorsOf(rank: number): number {
  return 2 * 64 * rank + 8 * rank * rank;
}

/** Means over the seeds, as Markdown. */
export function rankTable(results: readonly RankResult[]): string {
  const by = ['rank', 'size', 'how', 'steps'];
  const rows = results.map((one) => new Map(Object.entries({ ...one, size: factorsOf(one.rank) + HEAD })));
  const [loss, accuracy, error] = ['loss', 'accuracy', 'error'].map((metric) =>
    summaryOf(rows, by, metric, 'smaller'),
  ) as [readonly SummaryRow[], ...(readonly SummaryRow[])[]];
  const shown = (value: number | null, digits = 4) => value?.toFixed(digits) ?? '';
  const body = loss.map(({ group, mean, sd, n }, row) => [
    ...by.map((name) => String(group.get(name))),
    shown(error![row]!.mean, 2),
    ...[mean, sd, accuracy![row]!.mean, accuracy![row]!.sd].map((value) => shown(value)),
    `${n}`,
  ]);
  return markdownTable([...by, 'error of the cut', 'loss, mean', 'sd', 'accuracy, mean', 'sd', 'runs'], body);
}
