import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MAPS, QUALITY, TASKS } from '../bench/quality/names.js';
import { rankTable, readRankResults } from '../bench/quality/rank-table.js';
import type { RowValue } from '../src/build/study/record.js';
import { summaryOf } from '../src/build/study/summary.js';

// What docs/quality.md says is what the committed results of bench/quality say.

const page = readFileSync(join(import.meta.dirname, '../docs/quality.md'), 'utf8');

/** The tables below headings such as `era: last_accuracy`: of a task, or of a map (`LoTR on era, rank and scale`). */
const tables = page
  .split(/^#+ /m)
  .flatMap((section) => {
    const [, title, metric] = /^(.*): last_(\w+)\n/.exec(section) ?? [];
    return title === undefined ? [] : [{ title, metric: metric!, section }];
  })
  .map(({ title, metric, section }) => {
    const grid = [...TASKS, ...MAPS].find(
      (name) => name === title || title.endsWith(`, ${name.replace('-', ' and ')}`),
    );
    const [head, , ...rows] = section
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    return { title: `${title}: ${metric}`, grid: grid!, metric, head: head!, rows };
  });

interface Line {
  readonly train_info: { readonly num_trainable_params: number | null; readonly metrics: readonly object[] };
  readonly run_info: { readonly experiment_name: string };
}

/** What a line of results is called in the tables. */
function rowOf(text: string): ReadonlyMap<string, RowValue> {
  const { train_info, run_info } = JSON.parse(text) as Line;
  const named = new Map(
    run_info.experiment_name.split('/').flatMap((part): [string, RowValue][] => {
      const [, name, value] = /^(\w+)=(.*)$/.exec(part) ?? [];
      return name === undefined ? [] : [[name, Number.isNaN(Number(value)) ? value! : Number(value)]];
    }),
  );
  const method = String(named.get('method')).replace(/\.json$/, '');
  const values = Object.entries(train_info.metrics[0] ?? {}).map(([name, value]): [string, RowValue] => [
    name.replace('test ', ''),
    value as number,
  ]);
  return new Map<string, RowValue>([
    ...named,
    ...values,
    ['method', named.has('train') ? `${method}, core alone` : method],
    ['size', train_info.num_trainable_params],
  ]);
}

describe('docs/quality.md', () => {
  test('has a table for each task that is done', () => {
    expect(tables.length).toBeGreaterThan(1);
    for (const { title, grid } of tables) expect(grid, title).toBeDefined();
  });

  test.each(tables)('$title: every row is the mean of its runs', ({ grid, metric, head, rows }) => {
    const lines = readFileSync(join(QUALITY, 'results', `${grid}.jsonl`), 'utf8')
      .split('\n')
      .filter(Boolean);
    const by = head.slice(0, -3);
    const found = summaryOf(lines.map(rowOf), by, metric, 'larger').map(({ group, mean, sd, n, failed }) => [
      ...by.map((name) => String(group.get(name))),
      ...[mean, sd].map((value) => value?.toFixed(4) ?? ''),
      failed === 0 ? `${n}` : `${n} of ${n + failed}`,
    ]);
    expect(rows.length).toBeGreaterThan(1);
    for (const row of rows) expect(found).toContainEqual(row);
  });

  test('has the table of ranks that are cut down', () => {
    expect(page).toContain(rankTable(readRankResults(join(QUALITY, 'results/rank-adaptation.jsonl'))));
  });
});
