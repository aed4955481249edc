import type { RowValue } from './record.js';

/** Runs with equal values in some columns, summed up. */
export interface SummaryRow {
  readonly group: ReadonlyMap<string, RowValue>;
  /** runs with a finite value */
  readonly n: number;
  readonly mean: number | null;
  /** of the sample, with n - 1; null for a single run */
  readonly sd: number | null;
  readonly best: number | null;
  /** runs without a finite value */
  readonly failed: number;
}

/** A row for each combination of values of the columns `by`, numbers and texts in their order. */
export function summaryOf(
  rows: readonly ReadonlyMap<string, RowValue>[],
  by: readonly string[],
  metric: string,
  better: 'larger' | 'smaller',
): readonly SummaryRow[] {
  const groups = new Map<string, { group: ReadonlyMap<string, RowValue>; values: (number | null)[] }>();
  for (const row of rows) {
    const group = new Map(by.map((name) => [name, row.get(name) ?? null] as const));
    const key = JSON.stringify([...group.values()]);
    const found = groups.get(key) ?? { group, values: [] };
    const value = row.get(metric);
    found.values.push(typeof value === 'number' && Number.isFinite(value) ? value : null);
    groups.set(key, found);
  }
  return [...groups.values()]
    .map(({ group, values }) => ({ group, ...figures(values, better) }))
    .sort((a, b) => compared(by, a.group, b.group));
}

function figures(all: readonly (number | null)[], better: 'larger' | 'smaller'): Omit<SummaryRow, 'group'> {
  const values = all.filter((value) => value !== null).sort((a, b) => a - b);
  const n = values.length;
  const failed = all.length - n;
  if (n === 0) return { n, mean: null, sd: null, best: null, failed };
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    n,
    mean,
    sd: n > 1 ? Math.sqrt(squares / (n - 1)) : null,
    best: (better === 'larger' ? values.at(-1) : values[0])!,
    failed,
  };
}

function compared(
  by: readonly string[],
  a: ReadonlyMap<string, RowValue>,
  b: ReadonlyMap<string, RowValue>,
): number {
  for (const name of by) {
    const [x, y] = [a.get(name)!, b.get(name)!];
    if (x === y) continue;
    if (typeof x === 'number' && typeof y === 'number') return x - y;
    return String(x) < String(y) ? -1 : 1;
  }
  return 0;
}
