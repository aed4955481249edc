import { figure, type Point, type Series } from '../../src/train/logs/chart.js';
import { numbersTable, page } from '../../src/train/logs/page.js';
import { type BenchRow, benchCells, headlines } from './rows.js';

/** The rows as an HTML file: for each size of inputs the time over that of the base by rank, and a table. */
export function benchPage(rows: readonly BenchRow[]): string {
  const sizes = new Map<string, BenchRow[]>();
  for (const row of rows) {
    const name = `batch ${row.batch ?? ''}, length ${row.seq ?? ''}`;
    sizes.set(name, [...(sizes.get(name) ?? []), row]);
  }
  const figures = [...sizes].map(([name, own]) => ratios(name, own));
  const [head = [], ...body] = benchCells(rows);
  return page(
    'What an adapter costs',
    headlines(rows).join('. '),
    `${figures.join('\n')}
${numbersTable('All rows', head, body)}`,
  );
}

function ratios(size: string, rows: readonly BenchRow[]): string {
  const ranks = rows.flatMap(({ rank }) => (rank > 0 ? [rank] : []));
  const ends = [...new Set([Math.min(...ranks), Math.max(...ranks)])];
  const lines = new Map<string, Point[]>();
  for (const { method, form, rank, ratio } of rows) {
    if (method === 'base') continue;
    const name = `${method}${form === '' ? '' : `, ${form}`}`;
    const points = rank === 0 ? ends.map((end): Point => [end, ratio]) : [[rank, ratio] as const];
    lines.set(name, [...(lines.get(name) ?? []), ...points]);
  }
  const series = [...lines].map(([name, points]): Series => ({ name, points, look: 'dots' }));
  return figure({
    title: `Time over that of the base, 1 for the same: ${size}`,
    series,
    wide: true,
    axis: { label: 'rank', log: ends.length > 1 },
  });
}
