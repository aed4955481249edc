import { chart, legend, type Series } from '../../src/train/logs/chart.js';
import { smoothed } from '../../src/train/logs/smooth.js';
import { short } from '../../src/train/logs/ticks.js';
import type { EvaluationView, RunEvent, SampleView, StepView } from '../protocol.js';
import { byId, made } from './elements.js';

/** The run as it goes: figures, the chart, and texts or metrics before and after. */

let steps: StepView[] = [];
let evaluations: EvaluationView[] = [];
let samples: SampleView[] = [];
let drawing = false;

export function showRun({
  summary,
  unit,
  total,
  ...rows
}: Extract<RunEvent, { readonly kind: 'started' }>): void {
  steps = [...rows.steps];
  evaluations = [...rows.evaluations];
  samples = [...rows.samples];
  byId('run').hidden = false;
  byId('run-text').textContent = summary.trim();
  byId('saved').textContent = '';
  byId('rate-unit').textContent = `${unit} per second`;
  byId<HTMLProgressElement>('progress').max = total;
  draw();
}

export function showStep(row: StepView): void {
  steps.push(row);
  draw();
}

export function showEvaluation(row: EvaluationView): void {
  evaluations.push(row);
  draw();
}

export function showSample(row: SampleView): void {
  samples.push(row);
  draw();
}

/** Once before the next frame, however many steps there were. */
function draw(): void {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    const last = steps.at(-1);
    byId('step').textContent = String(last?.step ?? 0);
    byId('loss').textContent = last ? short(last.loss) : '-';
    byId('rate').textContent = last ? short(last.rate) : '-';
    byId('evaluation').textContent = evaluations.at(-1)?.text ?? '-';
    byId<HTMLProgressElement>('progress').value = last?.step ?? 0;
    drawChart();
    drawResults();
  });
}

function drawChart(): void {
  const points = steps.map(({ step, loss }) => [step, loss] as const);
  const smooth = smoothed(points);
  const series: Series[] = [
    { name: 'training loss', points, look: smooth ? 'faint' : 'line', color: 0 },
    ...(smooth ? [{ name: 'training loss, smoothed', points: smooth, look: 'line', color: 0 } as const] : []),
    ...(evaluations.length > 0
      ? [
          {
            name: 'evaluation loss',
            points: evaluations.map(({ step, loss }) => [step, loss] as const),
            look: 'dots',
            color: 1,
          } as const,
        ]
      : []),
  ];
  byId('chart').innerHTML = chart({ title: 'Loss', series, wide: true });
  byId('legend').innerHTML = legend(series);
}

/** The first and the last text, or evaluation. */
function drawResults(): void {
  const rows = samples.length > 0 ? samples : evaluations;
  const [first] = rows;
  const last = rows.at(-1);
  const shown = first === undefined ? [] : first === last ? [first] : [first, last!];
  byId('results').replaceChildren(
    ...shown.map(({ step, text }) => {
      const head = step === 0 ? 'Before' : `After ${step} steps`;
      return made('div', {}, made('h3', {}, head), made('p', { className: 'sample' }, text));
    }),
  );
}
