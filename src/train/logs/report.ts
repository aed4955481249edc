import type { Output } from '../../ir/files/atomic.js';
import { COLORS, escaped, figure, type Point, type Series } from './chart.js';
import type { Setting } from './hparams.js';
import { type NumberCell, numbersTable, page } from './page.js';
import type { Log, LogRow } from './rows.js';
import { smoothed } from './smooth.js';
import { short } from './ticks.js';

/** Metrics of which the largest value is the best, by the words that programs call them; of all others the least is. */
const MORE_IS_BETTER = /accuracy|f1|precision|recall|correlation|pearson|spearman|auc|matthews|mcc/;

/** One HTML file about a run: curves, evaluations, settings. It loads nothing and runs no script. */
export function reportOutput(path: string, log: Log): Output {
  const bytes = Buffer.from(reportHtml(log));
  return { path, write: (sink) => sink.write(bytes) };
}

export function reportHtml({ settings, rows }: Log): string {
  const train = rows.filter(({ split }) => split === 'train');
  const evaluations = rows.filter(({ split }) => split !== 'train' && split !== '');
  const title = [settings.get('task'), settings.get('model')]
    .filter((text) => text !== undefined)
    .join(' \u00b7 ');
  return page(
    title === '' ? 'Training run' : title,
    summary(settings, rows),
    `${tiles(settings, train, evaluations)}
${warning(rows)}
${lossFigure(train, evaluations)}
<div class="charts">
${otherFigures(train, evaluations).join('\n')}
</div>
${evaluationTable(evaluations)}
${settingsTable(settings)}`,
  );
}

function summary(settings: Log['settings'], rows: readonly LogRow[]): string {
  const method = settings.get('method');
  const rank = settings.get('rank');
  const start = rows.reduce((least, { wallTime }) => Math.min(least, wallTime), Number.POSITIVE_INFINITY);
  const end = rows.reduce((most, { wallTime }) => Math.max(most, wallTime), 0);
  const last = rows.at(-1)?.step ?? 0;
  return [
    method === undefined ? '' : `${method}${rank === undefined ? '' : ` of rank ${rank}`}`,
    `${short(last)} step${last === 1 ? '' : 's'}`,
    end > start ? duration(end - start) : '',
  ]
    .filter((part) => part !== '')
    .join(', ');
}

function duration(seconds: number): string {
  if (seconds < 100) return `${seconds < 10 ? short(Math.round(seconds * 10) / 10) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The most important numbers. */
function tiles(settings: Log['settings'], train: readonly LogRow[], evaluations: readonly LogRow[]): string {
  const found: [string, string, string][] = [];
  const metrics = metricsOf(evaluations).filter((name) => !isOfClass(name));
  for (const metric of metrics.slice(0, 3)) {
    const best = bestOf(evaluations, metric);
    const first = evaluations.find(({ values }) => values.has(metric))?.values.get(metric);
    if (!best) continue;
    const from = first === undefined || first === best.value ? '' : `, first ${short(first)}`;
    found.push([
      `best ${best.split} ${spoken(metric)}`,
      short(best.value),
      `at step ${short(best.step)}${from}`,
    ]);
  }
  const last = train.findLast(({ values }) => values.has('loss'));
  if (last)
    found.push(['last training loss', short(last.values.get('loss')!), `at step ${short(last.step)}`]);
  const parameters = settings.get('parameters');
  if (typeof parameters === 'number')
    found.push(['trainable parameters', parameters.toLocaleString('en-US'), '']);
  const items = found.map(
    ([what, value, note]) =>
      `<div><dt>${escaped(what)}</dt><dd>${escaped(value)}</dd><dd class="note">${escaped(note)}</dd></div>`,
  );
  return `<dl class="tiles">${items.join('')}</dl>`;
}

function warning(rows: readonly LogRow[]): string {
  const bad = rows.filter(({ values }) => [...values.values()].some((value) => !Number.isFinite(value)));
  if (bad.length === 0) return '';
  const [first] = bad;
  return `<p class="warning">${bad.length === 1 ? 'One row has' : `${short(bad.length)} rows have`} a value that is not finite, first at step ${short(first!.step)}. Triangles on the lower edge of a chart show where.</p>`;
}

function lossFigure(train: readonly LogRow[], evaluations: readonly LogRow[]): string {
  const raw = pointsOf(train, 'loss');
  const smooth = smoothed(raw);
  const series: Series[] = smooth
    ? [
        { name: 'training, each step', points: raw, look: 'faint' },
        { name: 'training, smoothed', points: smooth, look: 'line' },
      ]
    : [{ name: 'training', points: raw, look: 'dots' }];
  for (const [index, split] of splitsOf(evaluations).entries()) {
    const points = pointsOf(
      evaluations.filter((row) => row.split === split),
      'loss',
    );
    if (points.length > 0) series.push({ name: spoken(split), points, look: 'dots', color: 2 + index });
  }
  return figure({ title: 'Loss', series: series.filter(({ points }) => points.length > 0), wide: true });
}

function otherFigures(train: readonly LogRow[], evaluations: readonly LogRow[]): readonly string[] {
  const figures: string[] = [];
  const measured = metricsOf(evaluations).filter((name) => name !== 'loss');
  for (const metric of measured.filter((name) => !isOfClass(name))) {
    const series = splitsOf(evaluations).map((split, index): Series => {
      const points = pointsOf(
        evaluations.filter((row) => row.split === split),
        metric,
      );
      return { name: spoken(split), points, look: 'dots', color: 2 + index };
    });
    figures.push(
      figure({ title: heading(metric), series: series.filter(({ points }) => points.length > 0) }),
    );
  }
  figures.push(classFigure(evaluations, measured));
  const found = metricsOf(train);
  for (const metric of found.filter(
    (name) => !['loss', 'epoch', 'examples_per_s', 'tokens_per_s'].includes(name),
  )) {
    figures.push(trainFigure(train, metric));
  }
  // one of the two speeds: they differ by a factor
  const speed =
    found.find((name) => name === 'tokens_per_s') ?? found.find((name) => name === 'examples_per_s');
  if (speed) figures.push(trainFigure(train, speed));
  return figures;
}

/** F1 of the classes of the first split that has them, in one figure; of more classes than there are colours the table has it. */
function classFigure(evaluations: readonly LogRow[], measured: readonly string[]): string {
  const [split] = splitsOf(evaluations.filter(({ values }) => [...values.keys()].some(isOfClass)));
  const rows = evaluations.filter((row) => row.split === split);
  const series = measured.filter(isOfClass).map((metric): Series => {
    const name = metric.slice(OF_CLASS.length);
    return { name, points: pointsOf(rows, metric), look: 'dots' };
  });
  return series.length > COLORS ? '' : figure({ title: 'F1 of each class', series });
}

/** Values of one class: `f1/NAME`. */
const OF_CLASS = 'f1/';
const isOfClass = (metric: string): boolean => metric.startsWith(OF_CLASS);

function trainFigure(train: readonly LogRow[], metric: string): string {
  const series: Series = { name: spoken(metric), points: pointsOf(train, metric), look: 'line' };
  return figure({ title: heading(metric), series: [series], fromZero: true });
}

function evaluationTable(evaluations: readonly LogRow[]): string {
  if (evaluations.length === 0) return '';
  const metrics = metricsOf(evaluations);
  const best = new Map(metrics.map((metric) => [metric, bestOf(evaluations, metric)]));
  const several = splitsOf(evaluations).length > 1;
  const head = ['step', ...(several ? ['split'] : []), ...metrics.map(spoken)];
  const body = evaluations.map(({ step, split, values }) => {
    const cells = metrics.map((metric): NumberCell => {
      const value = values.get(metric);
      const marked = best.get(metric)?.step === step && best.get(metric)?.split === split;
      return { text: value === undefined ? '' : short(value), best: marked };
    });
    return [short(step), ...(several ? [split] : []), ...cells];
  });
  return numbersTable('Evaluations', head, body);
}

function settingsTable(settings: ReadonlyMap<string, Setting>): string {
  if (settings.size === 0) return '';
  const text = (value: Setting) => (typeof value === 'number' ? plain(value) : String(value));
  const body = [...settings].map(
    ([name, value]) =>
      `<tr><th scope="row">${escaped(spoken(name))}</th><td>${escaped(text(value))}</td></tr>`,
  );
  return `<section><h2>Settings</h2><div class="scroll"><table>${body.join('\n')}</table></div></section>`;
}

/** All digits, so that a setting can be copied. */
function plain(value: number): string {
  return Number.isInteger(value) && Math.abs(value) >= 10_000 ? value.toLocaleString('en-US') : String(value);
}

function pointsOf(rows: readonly LogRow[], metric: string): readonly Point[] {
  return rows
    .filter(({ values }) => values.has(metric))
    .map(({ step, values }) => [step, values.get(metric)!]);
}

/** Names of values, loss first. */
function metricsOf(rows: readonly LogRow[]): readonly string[] {
  const names = new Set(rows.flatMap(({ values }) => [...values.keys()]));
  return [...names].sort((a, b) => Number(b === 'loss') - Number(a === 'loss') || (a < b ? -1 : 1));
}

function splitsOf(rows: readonly LogRow[]): readonly string[] {
  return [...new Set(rows.map(({ split }) => split))];
}

interface Best {
  readonly step: number;
  readonly split: string;
  readonly value: number;
}

/** The best finite value; the earliest of equal ones. */
function bestOf(rows: readonly LogRow[], metric: string): Best | null {
  const sign = MORE_IS_BETTER.test(metric) ? -1 : 1;
  let best: Best | null = null;
  for (const { step, split, values } of rows) {
    const value = values.get(metric);
    if (value === undefined || !Number.isFinite(value)) continue;
    if (!best || sign * value < sign * best.value) best = { step, split, value };
  }
  return best;
}

const WORDS: ReadonlyMap<string, string> = new Map([
  ['lr', 'learning rate'],
  ['norm', 'gradient norm'],
  ['eval', 'evaluation'],
  ['val', 'validation'],
  ['f1', 'F1'],
  ['f1_macro', 'macro F1'],
  ['mcc', "Matthews' coefficient"],
  ['pearson', "Pearson's correlation"],
  ['spearman', "Spearman's correlation"],
  ['examples_per_s', 'examples per second'],
  ['tokens_per_s', 'tokens per second'],
]);

function spoken(name: string): string {
  if (isOfClass(name)) return `F1 of ${name.slice(OF_CLASS.length)}`;
  if (name.startsWith('lr/')) return `learning rate of ${name.slice('lr/'.length)}`;
  return WORDS.get(name) ?? name.replaceAll('_', ' ');
}

function heading(name: string): string {
  const text = spoken(name);
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
