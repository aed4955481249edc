import { extname } from 'node:path';
import { studyPage } from '../../src/build/study/page.js';
import { type RowValue, rowOf } from '../../src/build/study/record.js';
import { type SummaryRow, summaryOf } from '../../src/build/study/summary.js';
import { noStudy } from '../../src/ir/codes/study.js';
import { fail } from '../../src/ir/diagnostics.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { TABLE } from '../../src/options/sets/study.js';
import { refuseUsage } from '../../src/options/usage.js';
import type { TableFormat } from '../../src/options/words.js';
import { rowsParquet } from '../../src/train/logs/parquet.js';
import { METRIC_NAMES, metricDef } from '../../src/train/metrics/index.js';
import { filesText, refuseInputs, writeNoting } from '../outputs.js';
import type { Run } from '../program.js';
import { readStudy, textOutput } from '../study/study.js';
import { tell } from '../tell.js';
import { count } from '../text.js';

const ENDINGS: Readonly<Record<string, TableFormat>> = {
  '.md': 'markdown',
  '.csv': 'csv',
  '.json': 'json',
  '.parquet': 'parquet',
  '.html': 'html',
};

/** Sums up the runs of a study: mean, standard deviation, number and best of a metric for each group of runs. */
export function tableCommand(folder: string, options: ValuesOf<typeof TABLE>, run: Run): void {
  const { metric } = options;
  const known = METRIC_NAMES.find((name) => metric === name || metric === `last_${name}`);
  if (known === undefined)
    refuseUsage(`--metric takes one of ${METRIC_NAMES.join(', ')}, or last_ and one of them, not ${metric}`);
  const { output } = options;
  const format =
    options.format ?? (output === undefined ? 'markdown' : ENDINGS[extname(output).toLowerCase()]);
  if (format === undefined)
    refuseUsage(`${output}: give --format, or a file that ends in .md, .csv, .json, .parquet or .html`);
  if (format === 'parquet' && output === undefined)
    refuseUsage('a Parquet file is not written to stdout: -o names a file');
  if (output !== undefined) refuseInputs([output], [], options.clobber);
  const records = readStudy(folder);
  const rows = records.map(rowOf);
  const columns = new Set(rows.flatMap((row) => [...row.keys()]));
  const usual = [
    ...(records.some(({ task }) => task !== null) ? ['task'] : []),
    ...new Set(records.flatMap(({ varied }) => Object.keys(varied).filter((key) => key !== 'seed'))),
  ];
  const by = options.by ?? usual;
  const strange = by.find((name) => !columns.has(name));
  if (strange !== undefined) fail(noStudy({ folder, why: `no run has a column "${strange}"` }));
  if (!rows.some((row) => typeof row.get(metric) === 'number'))
    fail(noStudy({ folder, why: `no run has the metric "${metric}"` }));
  const summary = summaryOf(rows, by, metric, metricDef(known).better);
  if (format === 'parquet') {
    const found = summary.map((row) => new Map([...row.group, ...numbersOf(row)]));
    tell(run, filesText(writeNoting([rowsParquet(output!, found)])));
    return;
  }
  const text = TEXTS[format](by, metric, summary);
  if (output === undefined) run.io.out(text);
  else tell(run, filesText(writeNoting([textOutput(output, text)])));
}

const COLUMNS = ['n', 'mean', 'sd', 'best', 'failed'] as const;

const numbersOf = (row: SummaryRow): readonly (readonly [string, RowValue])[] =>
  COLUMNS.map((name) => [name, row[name]]);

const shown = (value: RowValue | undefined): string =>
  value === null || value === undefined ? '' : String(value);

const TEXTS: Readonly<
  Record<
    Exclude<TableFormat, 'parquet'>,
    (by: readonly string[], metric: string, rows: readonly SummaryRow[]) => string
  >
> = {
  markdown(by, metric, rows) {
    const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
    const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |\n`;
    const four = (value: number | null) => (value === null ? '' : value.toFixed(4));
    const head = [...by, `${metric}, mean`, 'sd', 'n', 'best', 'failed'];
    const body = rows.map(({ group, n, mean, sd, best, failed }) =>
      line([
        ...by.map((name) => shown(group.get(name))),
        four(mean),
        four(sd),
        `${n}`,
        four(best),
        `${failed}`,
      ]),
    );
    return `${line(head)}${line(head.map(() => '---'))}${body.join('')}`;
  },
  csv(by, _, rows) {
    const cell = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const line = (cells: readonly string[]) => `${cells.map(cell).join(',')}\n`;
    const body = rows.map((row) =>
      line([
        ...by.map((name) => shown(row.group.get(name))),
        ...numbersOf(row).map(([, value]) => shown(value)),
      ]),
    );
    return `${line([...by, ...COLUMNS])}${body.join('')}`;
  },
  html: (by, metric, rows) =>
    studyPage(
      `${metric} by ${by.join(', ')}`,
      `${count(
        rows.reduce((sum, { n }) => sum + n, 0),
        'run',
      )}`,
      [{ title: 'Runs', metric, by, rows }],
    ),
  json: (_, metric, rows) =>
    `${JSON.stringify({ version: 1, metric, rows: rows.map((row) => ({ ...Object.fromEntries(row.group), ...Object.fromEntries(numbersOf(row)) })) }, null, 2)}\n`,
};
