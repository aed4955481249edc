import type { Timed } from './turns.js';

/** One model on one size of inputs. */
export interface BenchRow extends Omit<Timed, 'who'> {
  /** base, base again, the name of a method, or merged */
  readonly method: string;
  /** 0: no adapter */
  readonly rank: number;
  readonly form: string;
  readonly batch: number | null;
  readonly seq: number | null;
  /** over the base by the times of their nodes; null where ONNX Runtime's profile does not say */
  readonly byNodes: number | null;
  /** of the model's files */
  readonly bytes: number;
}

const COLUMNS = [
  'method',
  'rank',
  'form',
  'batch',
  'seq',
  'median',
  'least',
  'most',
  'ratio',
  'leastRatio',
  'mostRatio',
  'byNodes',
  'peak',
  'bytes',
] as const satisfies readonly (keyof BenchRow)[];

export function rowsCsv(rows: readonly BenchRow[]): string {
  const body = rows.map((row) => COLUMNS.map((name) => row[name] ?? '').join(','));
  return `${[COLUMNS.join(','), ...body].join('\n')}\n`;
}

const cost = ({ byNodes, ratio }: BenchRow): number => byNodes ?? ratio;

const percent = (ratio: number): string => `${ratio < 1 ? '' : '+'}${((ratio - 1) * 100).toFixed(1)} %`;

/** Cells of a table for people; the first row is the head. */
export function benchCells(rows: readonly BenchRow[]): readonly (readonly string[])[] {
  const head = [
    'method',
    'rank',
    'form',
    'batch',
    'seq',
    'median',
    'from',
    'to',
    'over the base',
    'from',
    'to',
    'by nodes',
    'peak',
  ];
  const ms = (seconds: number): string => `${(seconds * 1000).toFixed(seconds < 0.01 ? 2 : 1)} ms`;
  const body = rows.map((row) => [
    row.method,
    row.rank === 0 ? '' : String(row.rank),
    row.form,
    String(row.batch ?? ''),
    String(row.seq ?? ''),
    ...[row.median, row.least, row.most].map(ms),
    ...[row.ratio, row.leastRatio, row.mostRatio].map(percent),
    row.byNodes === null ? '' : percent(row.byNodes),
    row.peak === null ? '' : `${row.peak} MB`,
  ]);
  return [head, ...body];
}

/**
 * What an adapter that is not merged costs: of each method and rank the form that costs least, at the largest inputs, with that of the base that
 * was timed again in the same turns. The form is chosen by the times of nodes, which are those of whole runs without the noise of the machine.
 */
export function headlines(rows: readonly BenchRow[]): readonly string[] {
  const last = rows.at(-1);
  if (last === undefined) return [];
  const size = [
    last.batch === null ? '' : `batch ${last.batch}`,
    last.seq === null ? '' : `length ${last.seq}`,
  ].filter((part) => part !== '');
  const span = ({ ratio, leastRatio, mostRatio }: BenchRow): string =>
    `${percent(ratio)} (${percent(leastRatio)} to ${percent(mostRatio)})`;
  const least = new Map<string, { readonly row: BenchRow; readonly again: BenchRow | undefined }>();
  let again: BenchRow | undefined;
  for (const row of rows) {
    if (row.batch !== last.batch || row.seq !== last.seq) continue;
    if (row.method === 'base again') again = row;
    if (row.rank === 0 || row.form === 'merged') continue;
    const key = `${row.method} ${row.rank}`;
    const known = least.get(key);
    if (known === undefined || cost(row) < cost(known.row)) least.set(key, { row, again });
  }
  return [...least.values()].map(({ row, again: base }) =>
    [
      `${row.method} of rank ${row.rank}, not merged, as ${row.form}, the least of its forms: `,
      row.byNodes === null
        ? `${span(row)} over the base`
        : `${percent(row.byNodes)} over the base by the times of nodes, ${span(row)} by those of whole runs`,
      size.length > 0 ? `, at ${size.join(' and ')}` : '',
      base === undefined ? '' : `; the base again: ${span(base)}`,
    ].join(''),
  );
}
