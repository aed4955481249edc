import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { graphsEnded } from '../backends/codes/host.js';
import type { NodeEp } from '../backends/execution-providers.js';
import { threadsOf } from '../backends/ort/session-settings.js';
import { WorkerEnded } from '../backends/ort/worker-process.js';
import { ranksChanged } from '../ir/codes/distributed.js';
import { fileChanged } from '../ir/codes/load.js';
import { interrupted, runDiffers } from '../ir/codes/train.js';
import { fewerSteps, lengthChanged, stoppedEarly } from '../ir/codes/train-loop.js';
import { type Diagnostic, fail } from '../ir/diagnostics.js';
import { makeFolders } from '../ir/files/folders.js';
import { readSafetensors, writeSafetensors } from '../ir/files/safetensors.js';
import { sweepStale } from '../ir/files/temporary.js';
import type { TensorData } from '../ir/tensor.js';
import { requireFit } from '../options/check.js';
import { planIn } from '../passes/plan/plan.js';
import type { BestEvaluation } from './best.js';
import { readCheckpoint, readPosition, requireSameGroups, writeCheckpoint } from './checkpoint.js';
import { labelNames } from './data/labels.js';
import type { DataOptions, OpenedData } from './data/read-data.js';
import { type ReadProgress, Source } from './data/source.js';
import { shareOfMachine } from './distributed/cores.js';
import { ALONE, type ProcessGroup } from './distributed/group.js';
import { requireDealt, requireSameSettings } from './distributed/same.js';
import type { Evaluation } from './evaluate.js';
import type { StepRow } from './log.js';
import { openLogs, type RunInfo } from './logs/open.js';
import { type RunLength, rateScheduleOf, stepsOfRun, type TrainingPlan, trainLoop } from './loop.js';
import { type OpenedTraining, openTraining } from './open-training.js';
import { TRAIN } from './option-set.js';
import type { Position } from './position.js';
import { requireFinite } from './require-finite.js';
import { TrainingRun } from './run.js';
import { requireEvaluation, type Started } from './run-data.js';
import { holdRun, requireFreeRun } from './run-lock.js';
import { learningRate } from './schedule.js';
import { type RunSettings, readSettings, requireNoRun, requireSame, writeSettings } from './settings.js';

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
  /** records that are shuffled among themselves where data is read window by window; default: it is read into memory */
  readonly window?: number;
  readonly reading: DataOptions;
  readonly batchSize: number;
  readonly plan: TrainingPlan;
  readonly ep: NodeEp;
  /** 0: the default of ONNX Runtime; fixed, so that a resumed run has the same bits */
  readonly threads: number;
  /** do not pack the base in advance; default: where that would take much of the machine's memory */
  readonly lowMemory?: boolean;
  readonly inputs: ReadonlyMap<string, string>;
  readonly resume: boolean;
  /** see `TrainingRunOptions`; default false */
  readonly inProcess?: boolean;
}

/** The events of training that are reported. */
export interface TrainEvents {
  /** how far a data file is read */
  reading(progress: ReadProgress): void;
  /** the training data was read */
  opened(data: Pick<OpenedData, 'notes' | 'unused' | 'labels'>): void;
  started(info: Started): void;
  step(row: StepRow, total: number): void;
  evaluated(step: number, evaluation: Evaluation, best: boolean): void;
  note(diagnostic: Diagnostic): void;
  interrupted(): boolean;
}

export interface Trained {
  readonly finished: boolean;
  readonly steps: number;
  /** the run ended before its last step because of `patience` */
  readonly early: boolean;
  readonly best: BestEvaluation | null;
  /** the adapter file; null for a run that was interrupted */
  readonly adapter: string | null;
}

const BEST = 'best.safetensors';
const ADAPTER = 'adapter.safetensors';

/** Files of a run that are told by their names; the events of TensorBoard have the time in theirs. */
export const RUN_FILES: readonly string[] = [
  'run.json',
  'checkpoint.safetensors',
  BEST,
  ADAPTER,
  'log.parquet',
  'report.html',
];

/**
 * Trains the adapters of a training directory on a data file and writes the adapter file: the parameters of the best
 * evaluation, or the last ones where nothing was evaluated. Every process of a group calls this, with the same request; rank 0
 * alone writes and has events. Throws LotrcError for inputs that cannot be used.
 */
export async function train(
  request: TrainRequest,
  events: TrainEvents,
  group: ProcessGroup = ALONE,
): Promise<Trained> {
  return trainRank(
    request,
    group.rank === 0 ? events : { ...UNHEARD, interrupted: events.interrupted },
    group,
  );
}

/** What ranks other than the first say. */
const UNHEARD: TrainEvents = {
  reading: () => undefined,
  opened: () => undefined,
  started: () => undefined,
  step: () => undefined,
  evaluated: () => undefined,
  note: () => undefined,
  interrupted: () => false,
};

async function trainRank(request: TrainRequest, events: TrainEvents, group: ProcessGroup): Promise<Trained> {
  const { folder, output, reading, plan: wanted } = request;
  const { peak: lr, floor: minLr, power, warmup, kind: schedule } = wanted.schedule;
  requireFit(TRAIN, { ...request, ...reading, ...wanted, lr, minLr, power, warmup, schedule });
  requireEvaluation(request);
  const held = await group.ofFirst(() => {
    requireFreeRun(output);
    if (!request.resume) requireNoRun(output);
    return readSettings(output);
  });
  const lowMemory = request.lowMemory || held?.lowMemory;
  const run = TrainingRun.open(folder, {
    ep: request.ep,
    inProcess: request.inProcess ?? false,
    ...(group.size > 1 ? await shareOfMachine(group, request.ep) : {}),
    ...threadsOf(request.threads),
    ...(lowMemory === undefined ? {} : { lowMemory }),
  });
  let release = (): void => undefined;
  let close = async (): Promise<void> => undefined;
  try {
    const opened = await openTraining(request, run.signature, held, events);
    const { training, evalData, cut } = opened;
    close = () => training.close();
    const asked = await settingsOf(request, run.lowMemory, opened, group.size);
    await requireSameSettings(group, asked);
    requireDealt(group, wanted.accumulate, cut, run.signature);
    const at = await group.ofFirst(() => {
      if (held) {
        requireSameGroups(output, run);
        requireSame(output, held, asked);
      }
      makeFolders(output);
      release = holdRun(output).release;
      requireUnchanged(output, held);
      sweep(output);
      return readPosition(output);
    });
    const count = training.batches;
    const { plan, change } = continued(request, held, at, (p) => stepsOfRun(p, count));
    if (change) events.note(change);
    if (held && at && held.ranks !== group.size)
      events.note(ranksChanged({ before: held.ranks, now: group.size }));
    const settings = { ...asked, plan };
    let saved = held?.ranks === group.size && JSON.stringify(held.plan) === JSON.stringify(plan);
    const { perEpoch, total } = stepsOfRun(plan, count);
    const { epochs, maxSteps } = plan;
    if (maxSteps !== null && total < maxSteps) events.note(fewerSteps({ maxSteps, epochs, total }));
    for (const note of opened.dropped) events.note(note);
    const info = aboutRun(request, run);
    const { parameters } = info;
    const evalExamples = evalData?.size ?? 0;
    const { examples, unit } = training;
    events.started({ examples, evalExamples, perEpoch, total, parameters, unit, ranks: group.size });
    const logs = group.rank === 0 ? openLogs(output, info, held ? (at?.step ?? null) : null) : [];
    const keep = (name: string, parameters: ReadonlyMap<string, TensorData>) =>
      writeSafetensors(join(output, name), parameters, run.metadata);
    let taken = at?.step ?? 0;
    try {
      const outcome = await trainLoop({
        run,
        group,
        training,
        evalData,
        classNames: labelNames(opened.labels),
        cut,
        plan,
        checkpoints: {
          read: () => readCheckpoint(output, run),
          write: (state, position) => writeCheckpoint(output, run, state, position),
        },
        logs,
        note: events.note,
        onStep: (row, of) => {
          taken = row.step;
          events.step(row, of);
        },
        onEvaluation: events.evaluated,
        keepBest: (parameters) => keep(BEST, parameters),
        beforeSave: () => {
          if (!saved) writeSettings(output, settings);
          saved = true;
        },
        interrupted: events.interrupted,
      });
      const { position, finished, early } = outcome;
      const { step: steps, best } = position;
      if (!finished) {
        events.note(interrupted({ step: position.step, total, folder: output }));
        return { finished, steps, early, best, adapter: null };
      }
      if (early) {
        const { patience, best: metric } = plan;
        events.note(
          stoppedEarly({ step: steps, total, patience: patience!, metric, best: best?.step ?? null }),
        );
      }
      const adapter = join(output, ADAPTER);
      if (group.rank > 0) return { finished, steps, early, best, adapter };
      if (best) {
        const { tensors, metadata: plans } = readSafetensors(join(output, BEST));
        requireFinite(run.signature, tensors, best.step);
        writeSafetensors(adapter, tensors, plans);
      } else {
        const parameters = await run.parameters();
        requireFinite(run.signature, parameters, steps);
        keep(ADAPTER, parameters);
      }
      return { finished, steps, early, best, adapter };
    } catch (error) {
      if (!(error instanceof WorkerEnded)) throw error;
      const saved = readPosition(output)?.step ?? null;
      return fail(graphsEnded({ folder: output, how: error.how, run: { step: taken, total, saved } }));
    } finally {
      for (const log of logs) log.close();
    }
  } finally {
    release();
    await close();
    await run.close();
  }
}

/** Throws LOTR1006 when another process trained in the folder while this one read its data. */
function requireUnchanged(output: string, held: RunSettings | null): void {
  const now = readSettings(output);
  if (JSON.stringify(now) !== JSON.stringify(held)) fail(fileChanged({ file: join(output, 'run.json') }));
}

/**
 * The plan of a run that may have been started with another length: rates follow the new length, and the warm-up keeps the
 * steps that it had. Throws LOTR8211 when the run is past the new end.
 */
function continued(
  { plan, output }: TrainRequest,
  held: RunSettings | null,
  position: Position | null,
  lengthOfPlan: (plan: TrainingPlan) => RunLength,
): { readonly plan: TrainingPlan; readonly change: Diagnostic | null } {
  if (!held || !position) return { plan, change: null };
  const [before, after] = [held.plan, plan].map((p) => lengthOfPlan(p).total) as [number, number];
  const { step } = position;
  if (before === after) return { plan: { ...plan, warmupSteps: held.plan.warmupSteps }, change: null };
  if (after < step) {
    fail(runDiffers({ folder: output, what: [`it took ${step} steps, and is now to have ${after}`] }));
  }
  const old = rateScheduleOf(held.plan, before);
  const next: TrainingPlan = { ...plan, warmupSteps: old.warmup };
  const rate = learningRate(rateScheduleOf(next, after), step);
  const ended = learningRate(old, before - 1);
  return { plan: next, change: lengthChanged({ step, before, after, rate, ended }) };
}

async function settingsOf(
  request: TrainRequest,
  lowMemory: boolean,
  opened: OpenedTraining,
  ranks: number,
): Promise<RunSettings> {
  const { folder, evalSplit, reading, batchSize, plan, ep, threads, inputs } = request;
  const { labels, files, dataFile, evalFile, stream } = opened;
  // a run folder names them, which a stranger may have made
  const contents = (file: string) => new Source(file, undefined, true).contents();
  const signature = readFileSync(join(folder, 'signature.json'));
  return {
    version: 1,
    training: createHash('sha256').update(signature).digest('hex'),
    data: dataFile,
    evalData: evalFile,
    evalSplit,
    reading,
    tokenizer: reading.tokenizer === null ? null : await contents(reading.tokenizer),
    batchSize,
    plan,
    ep,
    threads,
    lowMemory,
    ranks,
    inputs: Object.fromEntries(inputs),
    labels,
    stream,
    ...(files.length === 0 ? {} : { tokenizerFiles: await Promise.all(files.map(contents)) }),
  };
}

function aboutRun({ folder, data, plan, batchSize, ep }: TrainRequest, run: TrainingRun): RunInfo {
  const { signature, metadata } = run;
  const rows = planIn(metadata)?.plans ?? [];
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

/** Temporary files of a process that was killed while it wrote. */
function sweep(output: string): void {
  sweepStale(RUN_FILES.map((name) => join(output, name)));
}
