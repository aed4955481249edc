import { type Axis, escaped, figure, type Point, type Series } from '../../train/logs/chart.js';
import { numbersTable, page } from '../../train/logs/page.js';
import { short } from '../../train/logs/ticks.js';
import type { RowValue } from './record.js';
import type { SummaryRow } from './summary.js';

/** Rows of a study that are shown together. */
export interface StudySection {
  readonly title: string;
  /** what is to be known of the rows; text */
  readonly note?: string;
  readonly metric: string;
  /** the columns that make the groups of the rows */
  readonly by: readonly string[];
  readonly rows: readonly SummaryRow[];
  /** further columns of the groups, for the table alone */
  readonly also?: readonly string[];
  /** rows drawn as a line across the chart, such as those of a size far from the others */
  readonly level?: (row: SummaryRow) => boolean;
}

/** Sections as one HTML file: charts of what can be drawn, and all rows. `summary` is text. */
export function studyPage(title: string, summary: string, sections: readonly StudySection[]): string {
  return page(title, summary, sections.map(sectionHtml).join('\n'));
}

function sectionHtml(section: StudySection): string {
  const { title, note, by, rows, level = () => false } = section;
  const plain = by.includes('task') ? by.filter((name) => name !== 'task') : by;
  const tasks = by.includes('task') ? [...new Set(rows.map(({ group }) => group.get('task')))] : [null];
  const drawn = tasks.map((task) => {
    const own = task === null ? rows : rows.filter(({ group }) => group.get('task') === task);
    const name = task === null ? title : `${title}: ${String(task)}`;
    return `${heatTable(name, section.metric, plain, own)}${lines(name, section.metric, plain, own, level)}`;
  });
  const told =
    note === undefined ? '' : `<section><h2>${escaped(title)}</h2><p>${escaped(note)}</p></section>`;
  return `${told}${drawn.join('\n')}${rowsTable(section)}`;
}

const numbersIn = (rows: readonly SummaryRow[], name: string): readonly number[] =>
  [
    ...new Set(
      rows.flatMap(({ group }) => {
        const value = group.get(name);
        return typeof value === 'number' ? [value] : [];
      }),
    ),
  ].sort((a, b) => a - b);

/** Means over the last column of numbers, with a line for each combination of the other columns. */
function lines(
  title: string,
  metric: string,
  by: readonly string[],
  rows: readonly SummaryRow[],
  level: (row: SummaryRow) => boolean,
): string {
  const points = rows.filter((row) => !level(row));
  const along = by.findLast((name) => numbersIn(points, name).length > 1);
  if (along === undefined) return '';
  const others = by.filter((name) => name !== along);
  const places = numbersIn(points, along);
  const found = new Map<string, Point[]>();
  for (const row of rows) {
    const { group, mean, sd } = row;
    const place = group.get(along);
    if (mean === null || typeof place !== 'number') continue;
    const name = others
      .map((other) => group.get(other) ?? null)
      .filter((value) => value !== null)
      .map((value) => (typeof value === 'number' ? short(value) : String(value)))
      .join(' ');
    const own = level(row)
      ? [places[0]!, places.at(-1)!].map((end): Point => [end, mean])
      : [[place, mean, sd ?? 0] as const];
    found.set(name, [...(found.get(name) ?? []), ...own]);
  }
  const series = [...found].map(
    ([name, own]): Series => ({
      name: name === '' ? metric : name,
      points: own.sort((a, b) => a[0] - b[0]),
      look: 'dots',
    }),
  );
  const axis: Axis = { label: along, log: places[0]! > 0 && places.at(-1)! / places[0]! > 5 };
  return figure({ title: `${title}: ${metric} by ${along}`, series, wide: true, axis });
}

/** Of two columns of numbers: a cell for each pair, the darker the larger its mean. */
function heatTable(
  title: string,
  metric: string,
  by: readonly string[],
  rows: readonly SummaryRow[],
): string {
  const [down, across] = by;
  if (by.length !== 2 || down === undefined || across === undefined) return '';
  const [ys, xs] = [numbersIn(rows, down), numbersIn(rows, across)];
  if (ys.length < 2 || xs.length < 2) return '';
  const means = rows.flatMap(({ mean }) => (mean === null ? [] : [mean]));
  const [low, high] = [Math.min(...means), Math.max(...means)];
  const cell = (y: number, x: number): string => {
    const row = rows.find(({ group }) => group.get(down) === y && group.get(across) === x);
    const mean = row?.mean ?? null;
    if (mean === null) return `<td>${row === undefined ? '' : 'failed'}</td>`;
    const share = high > low ? (mean - low) / (high - low) : 0.5;
    return `<td style="--v:${Math.round(share * 100) / 100}">${short(mean)}</td>`;
  };
  const head = xs.map((x) => `<th scope="col">${short(x)}</th>`).join('');
  const body = [...ys]
    .reverse()
    .map((y) => `<tr><th scope="row">${short(y)}</th>${xs.map((x) => cell(y, x)).join('')}</tr>`);
  return `<section><h2>${escaped(`${title}: ${metric}, ${down} down, ${across} across`)}</h2><div class="scroll"><table class="heat"><thead><tr><th></th>${head}</tr></thead><tbody>${body.join('\n')}</tbody></table></div></section>`;
}

function rowsTable({ title, metric, by, also = [], rows }: StudySection): string {
  const columns = [...by, ...also];
  const text = (value: RowValue | undefined): string =>
    value === null || value === undefined ? '' : typeof value === 'number' ? short(value) : String(value);
  const head = [...columns, `${metric}, mean`, 'sd', 'n', 'best', 'failed'];
  const body = rows.map(({ group, mean, sd, n, best, failed }) => {
    return [...columns.map((name) => group.get(name)), mean, sd, n, best, failed].map(text);
  });
  return numbersTable(`${title}: all rows`, head, body);
}
