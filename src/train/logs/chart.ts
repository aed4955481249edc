import { logTicks, short, ticks } from './ticks.js';

/** Place on the horizontal axis and value; values may be NaN or infinite. `spread`: how far a line reaches above and below the point. */
export type Point = readonly [step: number, value: number, spread?: number];

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** `faint` lies behind the others and may leave the chart; `dots` marks each point of its line */
  readonly look: 'line' | 'faint' | 'dots';
  /** which of the page's colours s0 to s7; default: the place in the list */
  readonly color?: number;
}

interface ChartOptions {
  readonly title: string;
  readonly series: readonly Series[];
  /** the vertical axis begins at 0 */
  readonly fromZero?: boolean;
  readonly wide?: boolean;
  /** default: steps */
  readonly axis?: Axis;
}

/** The horizontal axis. On a logarithmic one all places are above 0. */
export interface Axis {
  readonly label: string;
  readonly log: boolean;
}

const STEPS: Axis = { label: 'step', log: false };

/** Colours of the page. */
export const COLORS = 8;

const HEIGHT = 260;
const MARGIN = { top: 12, right: 16, bottom: 36, left: 58 };
/** points of a line beyond which neighbours are drawn as one stroke from their least to their largest */
const DENSE = 1200;

/**
 * A line chart as one SVG element without scripts; its colours are CSS classes of the page. Lines break where a value
 * is not finite, and a mark on the bottom edge shows the place.
 */
export function chart({ title, series, fromZero = false, wide = false, axis = STEPS }: ChartOptions): string {
  const width = wide ? 900 : 440;
  const [x0, x1] = stepRange(series, axis);
  const [y0, y1] = valueRange(series, fromZero);
  const right = width - MARGIN.right;
  const bottom = HEIGHT - MARGIN.bottom;
  const along = axis.log ? Math.log : (step: number) => step;
  const x = (step: number) => scaled(along(step), along(x0), along(x1), MARGIN.left, right);
  const y = (value: number) => scaled(value, y0, y1, bottom, MARGIN.top);
  const id = `clip-${title.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`;
  const inner = `x="${MARGIN.left - 6}" y="${MARGIN.top - 4}" width="${right - MARGIN.left + 12}" height="${bottom - MARGIN.top + 4}"`;
  const grid = ticks(y0, y1, 5).map(
    (value) =>
      `<line class="grid" x1="${MARGIN.left}" x2="${right}" y1="${px(y(value))}" y2="${px(y(value))}"/>` +
      `<text class="tick" x="${MARGIN.left - 8}" y="${px(y(value) + 4)}" text-anchor="end">${short(value)}</text>`,
  );
  const steps = axis.log ? logTicks(x0, x1) : ticks(x0, x1, wide ? 10 : 5).filter(Number.isInteger);
  const below = steps.map(
    (step) =>
      `<text class="tick" x="${px(x(step))}" y="${bottom + 18}" text-anchor="middle">${short(step)}</text>`,
  );
  const drawn = series.map((one, index) => draw(one, colorOf(one, index), axis, x, y));
  const lost = series.flatMap(({ name, points }) =>
    points
      .filter(([, value]) => !Number.isFinite(value))
      .map(([step, value]) => mark(x(step), bottom, `${name} at ${axis.label} ${step}: ${short(value)}`)),
  );
  return [
    `<svg${wide ? ' class="wide"' : ''} viewBox="0 0 ${width} ${HEIGHT}" role="img" aria-label="${escaped(title)} by ${escaped(axis.label)}">`,
    `<clipPath id="${id}"><rect ${inner}/></clipPath>`,
    ...grid,
    `<line class="axis" x1="${MARGIN.left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`,
    ...below,
    `<text class="tick" x="${right}" y="${HEIGHT - 4}" text-anchor="end">${escaped(axis.label)}</text>`,
    `<g clip-path="url(#${id})">${drawn.join('')}</g>`,
    ...thinned(lost, 100),
    '</svg>',
  ].join('\n');
}

/** A chart with its title and what its colours mean; nothing without series. */
export function figure(options: ChartOptions): string {
  if (options.series.length === 0) return '';
  return `<figure><figcaption><h2>${escaped(options.title)}</h2>${legend(options.series)}</figcaption><div class="scroll">${chart(options)}</div></figure>`;
}

/** `name`s with the colour of their line; nothing for a single series. */
export function legend(series: readonly Series[]): string {
  if (series.length < 2) return '';
  const items = series.map(
    (one, index) => `<li class="${colorOf(one, index)} ${one.look}">${escaped(one.name)}</li>`,
  );
  return `<ul class="legend">${items.join('')}</ul>`;
}

export function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function colorOf({ color }: Series, index: number): string {
  const place = color ?? index;
  // more lines than colours: the further ones are dashed
  return `s${place % COLORS}${place < COLORS ? '' : ' dashed'}`;
}

function draw(
  { name, points, look }: Series,
  color: string,
  axis: Axis,
  x: (step: number) => number,
  y: (value: number) => number,
): string {
  const paths = finiteRuns(points).map((run) => {
    const line = dense(run).map(([step, value]) => `${px(x(step))} ${px(y(value))}`);
    // a run of one point has no length; a round cap shows it
    return `<path class="${color} ${look}" d="M${line.join('L')}${line.length === 1 ? 'h0' : ''}"/>`;
  });
  if (look !== 'dots') return paths.join('');
  const dots = points
    .filter(([, value]) => Number.isFinite(value))
    .map(
      ([step, value]) =>
        `<circle class="${color}" cx="${px(x(step))}" cy="${px(y(value))}" r="3"><title>${escaped(name)} at ${escaped(axis.label)} ${step}: ${short(value)}</title></circle>`,
    );
  const spreads = points.flatMap(([step, value, spread = 0]) =>
    spread > 0 && Number.isFinite(value)
      ? [
          `<path class="${color} faint" d="M${px(x(step))} ${px(y(value - spread))}V${px(y(value + spread))}"/>`,
        ]
      : [],
  );
  return paths.join('') + spreads.join('') + dots.join('');
}

function mark(x: number, bottom: number, title: string): string {
  return `<path class="lost" d="M${px(x - 4)} ${bottom - 1}h8l-4 -8z"><title>${escaped(title)}</title></path>`;
}

/** Stretches of neighbours with finite values. */
function finiteRuns(points: readonly Point[]): readonly (readonly Point[])[] {
  const runs: Point[][] = [[]];
  for (const point of points) {
    if (Number.isFinite(point[1])) runs.at(-1)!.push(point);
    else runs.push([]);
  }
  return runs.filter((run) => run.length > 0);
}

function dense(points: readonly Point[]): readonly Point[] {
  if (points.length <= DENSE) return points;
  const size = Math.ceil((points.length * 2) / DENSE);
  const kept: Point[] = [];
  for (let start = 0; start < points.length; start += size) {
    const bucket = points.slice(start, start + size);
    const least = bucket.reduce((a, b) => (b[1] < a[1] ? b : a));
    const largest = bucket.reduce((a, b) => (b[1] > a[1] ? b : a));
    kept.push(...(least[0] < largest[0] ? [least, largest] : [largest, least]));
  }
  return kept;
}

function thinned<T>(items: readonly T[], most: number): readonly T[] {
  const every = Math.ceil(items.length / most);
  return items.filter((_, index) => index % every === 0);
}

function stepRange(series: readonly Series[], { log }: Axis): readonly [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { points } of series) {
    for (const [step] of points) {
      low = Math.min(low, step);
      high = Math.max(high, step);
    }
  }
  if (log) return low > high ? [1, 10] : low === high ? [low / 2, high * 2] : [low, high];
  return low > high ? [0, 1] : low === high ? [low - 1, high + 1] : [low, high];
}

/** All lines fit; of faint ones the upper 2 % may not, so that one spike does not flatten the rest. */
function valueRange(series: readonly Series[], fromZero: boolean): readonly [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { points, look } of series) {
    const values = points
      .flatMap(([, value, spread = 0]) => (spread > 0 ? [value - spread, value + spread] : [value]))
      .filter(Number.isFinite)
      .sort((a, b) => a - b);
    if (values.length === 0) continue;
    const last = look === 'faint' ? Math.floor((values.length - 1) * 0.98) : values.length - 1;
    low = Math.min(low, values[0]!);
    high = Math.max(high, values[last]!);
  }
  if (low > high) return [0, 1];
  if (fromZero) low = Math.min(0, low);
  const room = (high - low || Math.abs(high) || 1) * 0.05;
  return [fromZero && low === 0 ? 0 : low - room, high + room];
}

function scaled(value: number, low: number, high: number, from: number, to: number): number {
  return from + ((value - low) / (high - low)) * (to - from);
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}
