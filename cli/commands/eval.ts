import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { threadsOf } from '../../src/backends/ort/session-settings.js';
import { badRun } from '../../src/ir/codes/train.js';
import { notANumber } from '../../src/ir/codes/train-loop.js';
import { fail } from '../../src/ir/diagnostics.js';
import { visible } from '../../src/ir/visible.js';
import type { ValuesOf } from '../../src/options/define.js';
import { takeAdapter } from '../../src/train/adapter.js';
import { classesText, labelNames } from '../../src/train/data/labels.js';
import { openData } from '../../src/train/data/open.js';
import { evaluateDataset } from '../../src/train/evaluate.js';
import { requireLabels } from '../../src/train/labels.js';
import type { ClassScore } from '../../src/train/metrics/class-counts.js';
import type { EVAL } from '../../src/train/option-set.js';
import { TrainingRun } from '../../src/train/run.js';
import { cutOf, droppedRows } from '../../src/train/run-data.js';
import { readSettings } from '../../src/train/settings.js';
import { readingOf } from '../../src/train/values.js';
import type { Run } from '../program.js';
import { Progress } from '../progress.js';
import { count, num, table } from '../text.js';
import { readingOptions, unusedNotes } from '../train-options.js';
import { evaluationText } from '../training-text.js';

type EvalOptions = ValuesOf<typeof EVAL>;

/** Evaluates the adapter of a run, another one, or the initial parameters. Reads data as the run did, where not told. */
export async function evalCommand(
  folder: string,
  options: EvalOptions,
  given: ReadonlySet<string>,
  host: Run,
): Promise<void> {
  const of = options.run ?? join(folder, 'run');
  const settings = readSettings(of);
  if (options.run !== undefined && !settings) fail(badRun({ file: of, why: 'it holds no run' }));
  const held = Object.entries(
    settings ? { ...readingOptions(settings.reading), inputs: new Map(Object.entries(settings.inputs)) } : {},
  );
  const o: EvalOptions = { ...options, ...Object.fromEntries(held.filter(([name]) => !given.has(name))) };
  const progress = new Progress(host.io);
  const run = TrainingRun.open(folder, {
    ep: o.ep,
    inProcess: options.inProcess,
    ...threadsOf(o.threads),
    ...(o.lowMemory ? { lowMemory: true } : {}),
  });
  try {
    const trained = join(of, 'adapter.safetensors');
    const adapter = options.adapter ?? (existsSync(trained) ? trained : null);
    if (adapter !== null) takeAdapter(run, adapter);
    const inputs = o.inputs ?? new Map<string, string>();
    const known = given.has('labels') ? null : (settings?.labels ?? null);
    const opened = await openData(o.data, run.signature, readingOf(o), known, inputs, (reading) =>
      progress.read(reading),
    );
    const { dataset, notes, unused, labels } = opened;
    host.reporter.report([...notes, ...unusedNotes(unused, given)]);
    requireLabels(dataset, run.signature, 'evaluation data');
    const cut = cutOf(run.signature, dataset, o.batchSize, inputs, o.bucket);
    host.reporter.report(droppedRows(dataset, cut, o.data));
    const result = await evaluateDataset(run, dataset, cut);
    if (!Number.isFinite(result.loss)) host.reporter.report([notANumber({ step: null })]);
    if (options.json) {
      host.io.out(
        `${JSON.stringify({ version: 1, adapter, examples: dataset.size, classes: labelNames(labels), ...result }, null, 2)}\n`,
      );
      return;
    }
    host.io.out(`${visible(adapter ?? 'initial parameters')}\n`);
    const classes = classesText(labels);
    if (classes !== null) host.io.out(`classes: ${visible(classes)}\n`);
    host.io.out(`${count(dataset.size, dataset.unit)}: ${visible(evaluationText(result))}\n`);
    const { perClass = [] } = result;
    if (perClass.length > 0) host.io.out(classTable(perClass, labelNames(labels)));
  } finally {
    progress.end();
    await run.close();
  }
}

/** Classes that a terminal shows; --json has all of them. */
const SHOWN_CLASSES = 20;

function classTable(scores: readonly ClassScore[], names: readonly string[] | null): string {
  const rows = scores
    .slice(0, SHOWN_CLASSES)
    .map(({ class: k, precision, recall, f1, count: labels }) => [
      names?.[k] ?? `${k}`,
      ...[precision, recall, f1].map((share) => share.toFixed(4)),
      num(labels),
    ]);
  const more = scores.length > rows.length ? `of ${num(scores.length)} classes; --json has all\n` : '';
  return `${table([['class', 'precision', 'recall', 'F1', 'labels'], ...rows])}${more}`;
}
