import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { PLAN_KEY } from '../ir/adapter.js';
import { badData, badTrainingFolder, interrupted, notTrainedHere, rowsDropped } from '../ir/codes/train.js';
import { type Diagnostic, fail } from '../ir/diagnostics.js';
import { isSystemError } from '../ir/files/atomic.js';
import { readSafetensors, writeSafetensors } from '../ir/files/safetensors.js';
import { parsePlan } from '../passes/adapters/plan.js';
import { type Dataset, subset } from './data/dataset.js';
import { type DataOptions, openData } from './data/open.js';
import { shuffled } from './data/order.js';
import type { Cut, Evaluation } from './evaluate.js';
import { fixedExtents, mapInputs } from './feeds.js';
import type { StepRow } from './log.js';
import { openLogs, type RunInfo } from './logs/open.js';
import { lengthOf, type Plan, trainLoop } from './loop.js';
import { TrainingRun } from './run.js';
import {
  type DataFile,
  dataFile,
  readSettings,
  requireNoRun,
  requireSame,
  type Settings,
  writeSettings,
} from './settings.js';

/** What to train, on what, and how. */
export interface TrainRequest {
  /** the training directory */
  readonly folder: string;
  /** where the run keeps its files: settings, checkpoint, logs, adapter */
  readonly output: string;
  readonly data: string;
  readonly evalData: string | null;
  /** share of the examples that is held back for evaluation when there is no evaluation file */
  readonly evalSplit: number;
  readonly reading: DataOptions;
  readonly batchSize: number;
  readonly plan: Plan;
  readonly ep: 'cpu' | 'cuda' | 'webgpu';
  /** 0: as many as ONNX Runtime likes; fixed, so that a resumed run has the same bits */
  readonly threads: number;
  readonly inputs: ReadonlyMap<string, string>;
  readonly resume: boolean;
}

/** What is told while training goes on. */
export interface TrainEvents {
  started(info: Started): void;
  step(row: StepRow, total: number): void;
  evaluated(step: number, evaluation: Evaluation, best: boolean): void;
  note(diagnostic: Diagnostic): void;
  interrupted(): boolean;
}

export interface Started {
  readonly examples: number;
  readonly evalExamples: number;
  readonly perEpoch: number;
  readonly total: number;
  readonly parameters: number;
  readonly unit: string;
}

export interface Trained {
  readonly finished: boolean;
  readonly steps: number;
  readonly best: { readonly step: number; readonly loss: number } | null;
  /** the adapter file; null for a run that was interrupted */
  readonly adapter: string | null;
}

const BEST = 'best.safetensors';
const ADAPTER = 'adapter.safetensors';

/**
 * Trains the adapters of a training directory on a data file and leaves the adapter file: the parameters of the best
 * evaluation, or the last ones where nothing was evaluated. Throws LotrcError for anything that cannot be used.
 */
export async function train(request: TrainRequest, events: TrainEvents): Promise<Trained> {
  const { folder, output, plan } = request;
  const run = TrainingRun.open(folder, { ep: request.ep, ...threadsOf(request.threads) });
  try {
    requireSingles(run);
    if (!request.resume) requireNoRun(output);
    const held = readSettings(output);
    const opened = await openAll(request, run, held, events);
    const settings = settingsOf(request, opened.labels);
    if (held) requireSame(output, held, settings);
    makeFolder(output);
    let saved = held !== null;
    sweep(output);
    const { data, evalData, cut } = opened;
    const { perEpoch, total } = lengthOf(plan, data.size, cut);
    for (const note of droppedRows(data, cut, request.data)) events.note(note);
    if (evalData)
      for (const note of droppedRows(evalData, cut, request.evalData ?? request.data)) events.note(note);
    const info = aboutRun(request, run);
    const { parameters } = info;
    const evalExamples = evalData?.size ?? 0;
    events.started({ examples: data.size, evalExamples, perEpoch, total, parameters, unit: data.unit });
    const metadata = readSafetensors(join(folder, 'state.safetensors')).metadata;
    const resumed = held ? checkpointStep(output) : null;
    const logs = openLogs(output, info, resumed);
    const keep = (name: string) => writeSafetensors(join(output, name), run.parameters(), metadata);
    try {
      const outcome = await trainLoop({
        run,
        data,
        evalData,
        cut,
        plan,
        folder: output,
        logs,
        onStep: events.step,
        onEvaluation: events.evaluated,
        keepBest: () => keep(BEST),
        beforeSave: () => {
          if (!saved) writeSettings(output, settings);
          saved = true;
        },
        interrupted: events.interrupted,
      });
      const { position, finished } = outcome;
      if (!finished) {
        events.note(interrupted({ step: position.step, total, folder: output }));
        return { finished, steps: position.step, best: position.best, adapter: null };
      }
      const adapter = join(output, ADAPTER);
      if (position.best) {
        const { tensors, metadata: plans } = readSafetensors(join(output, BEST));
        writeSafetensors(adapter, tensors, plans);
      } else keep(ADAPTER);
      return { finished, steps: position.step, best: position.best, adapter };
    } finally {
      for (const log of logs) log.close();
    }
  } finally {
    await run.close();
  }
}

/** Losses on pairs need batches that are made differently. Throws LOTR8202. */
export function requireSingles({ signature }: TrainingRun): void {
  if (signature.loss.pairs !== undefined) fail(notTrainedHere({ loss: signature.loss.kind }));
}

export const threadsOf = (threads: number) => (threads > 0 ? { threads } : {});

/** How batches are cut for a model: its fixed extents, and whether rows can be left out. */
export function cutOf(
  run: TrainingRun,
  data: Dataset,
  batchSize: number,
  inputs: ReadonlyMap<string, string>,
): Cut {
  const { graphs, loss } = run.signature;
  const graph =
    graphs.step ??
    graphs.eval ??
    fail(badTrainingFolder({ file: run.folder, why: 'it has no graph to run' }));
  const { rows } = fixedExtents(graph);
  const dropShort = rows !== null && loss.ignoreIndex === null && loss.ignoreValue === undefined;
  return { inputs: mapInputs(graph, data, inputs), batchSize, rows, dropShort };
}

/** What is left out where short batches cannot be used. Throws LOTR8204 when that is everything. */
export function droppedRows(
  { size }: Dataset,
  { dropShort, rows }: Cut,
  file: string,
): readonly Diagnostic[] {
  if (!dropShort || size % rows! === 0) return [];
  const why = `it has ${size} examples, and the model takes batches of exactly ${rows}`;
  if (size < rows!) fail(badData({ file, why, hint: 'export the model with a dynamic batch dimension' }));
  return [rowsDropped({ count: size % rows!, batch: rows! })];
}

async function openAll(request: TrainRequest, run: TrainingRun, held: Settings | null, events: TrainEvents) {
  const first = await openData(request.data, run.signature, request.reading, held?.labels ?? null);
  for (const note of first.notes) events.note(note);
  let data = first.dataset;
  let evalData: Dataset | null = null;
  if (request.evalData !== null) {
    const second = await openData(request.evalData, run.signature, request.reading, first.labels);
    for (const note of second.notes) events.note(note);
    evalData = second.dataset;
  } else if (request.evalSplit > 0) {
    const order = shuffled(data.size, request.plan.seed, 'split');
    const count = Math.min(data.size - 1, Math.max(1, Math.round(data.size * request.evalSplit)));
    evalData = subset(data, order.slice(0, count).sort());
    data = subset(data, order.slice(count).sort());
  }
  const cut = cutOf(run, data, request.batchSize, request.inputs);
  return { data, evalData, cut, labels: first.labels };
}

function settingsOf(request: TrainRequest, labels: Settings['labels']): Settings {
  const { folder, data, evalData, evalSplit, reading, batchSize, plan, ep, threads, inputs } = request;
  const signature = readFileSync(join(folder, 'signature.json'));
  const evalFile: DataFile | null = evalData === null ? null : dataFile(evalData);
  return {
    version: 1,
    training: createHash('sha256').update(signature).digest('hex'),
    data: dataFile(data),
    evalData: evalFile,
    evalSplit,
    reading,
    tokenizer: reading.tokenizer === null ? null : dataFile(reading.tokenizer),
    batchSize,
    plan,
    ep,
    threads,
    inputs: Object.fromEntries(inputs),
    labels,
  };
}

function aboutRun({ folder, data, plan, batchSize, ep }: TrainRequest, { signature }: TrainingRun): RunInfo {
  const text = readSafetensors(join(folder, 'state.safetensors')).metadata[PLAN_KEY];
  const rows = text === undefined ? [] : parsePlan(text).plans;
  const [row] = rows;
  const trained = signature.params.filter(({ trainable }) => trainable);
  const parameters = trained.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const { schedule, epochs, accumulate, seed } = plan;
  return {
    model: signature.base[0]?.location ?? basename(folder),
    method: row?.spec.method ?? null,
    task: basename(data, extname(data)),
    lr: schedule.peak,
    rank: row?.groups[0]?.rank ?? null,
    seed,
    parameters,
    more: {
      optimizer: signature.optimizer.kind,
      schedule: schedule.kind,
      warmup_steps: schedule.warmup,
      epochs,
      batch_size: batchSize * accumulate,
      provider: ep,
    },
  };
}

function checkpointStep(output: string): number | null {
  try {
    const { metadata } = readSafetensors(join(output, 'checkpoint.safetensors'));
    return (JSON.parse(metadata['lotrc.run'] ?? '{}') as { step?: number }).step ?? null;
  } catch {
    return null; // no checkpoint yet: the logs begin anew; a damaged one is refused where it is read
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    fail(badTrainingFolder({ file: path, why: `the folder of the run cannot be made: ${error.message}` }));
  }
}

/** Temporary files of a process that was killed while it wrote. */
function sweep(output: string): void {
  for (const name of readdirSync(output)) {
    if (/^\.(run\.json|.*\.safetensors|log\.parquet|report\.html)\.[0-9a-f]{12}\.tmp$/.test(name)) {
      rmSync(join(output, name), { force: true });
    }
  }
}
