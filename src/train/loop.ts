import { RandomStream } from '../init/rng.js';
import { notANumber } from '../ir/codes/train-loop.js';
import type { Diagnostic } from '../ir/diagnostics.js';
import type { TensorData } from '../ir/tensor.js';
import type { OrNull, ValuesOf } from '../options/define.js';
import { advance, DRAW_STREAM, firstDrawOf, requireConverging } from './advance.js';
import type { BatchSource } from './batch-source.js';
import type { BatchSplit } from './batches.js';
import { isBetter, metricOf } from './best.js';
import type { Dataset } from './data/dataset.js';
import type { ProcessGroup } from './distributed/group.js';
import { partsOfRank, partsPerBatch } from './distributed/share.js';
import { sameState } from './distributed/state.js';
import { type Evaluation, evaluateDataset, loggedValues } from './evaluate.js';
import { feedsOf } from './feeds.js';
import { graphOf } from './graph-of.js';
import { ratesAt, ratesByPattern } from './group-rates.js';
import { signatureTerms } from './labels.js';
import type { StepRow, TrainingLog } from './log.js';
import type { TRAIN } from './option-set.js';
import { firstPosition, goOnFrom, type Position } from './position.js';
import { requireFinite } from './require-finite.js';
import type { HeldTensors } from './runner/runner.js';
import type { SavedRun } from './saved-run.js';
import { type RateSchedule, warmupSteps } from './schedule.js';

type Train = ValuesOf<typeof TRAIN>;

/** What a training run does; together with data and training directory it fixes every bit of the result. */
export interface TrainingPlan
  extends Pick<Train, 'epochs' | 'accumulate' | 'seed' | 'checkpointEvery' | 'best'>,
    OrNull<Pick<Train, 'maxSteps' | 'evalEvery' | 'patience'>> {
  /** without `total`, which follows from the data */
  readonly schedule: Omit<RateSchedule, 'total'>;
  /** loss scale at the start, a power of two */
  readonly lossScale: number;
  /** steps of warm-up of a run whose length was changed when it was resumed; null: as the schedule says */
  readonly warmupSteps: number | null;
}

/** Steps of a run: passes over the data, cut short by `maxSteps`. */
export interface RunLength {
  readonly perEpoch: number;
  readonly total: number;
}

/** `batches`: how many a pass over the data has. */
export function stepsOfRun(
  plan: Pick<TrainingPlan, 'epochs' | 'maxSteps' | 'accumulate'>,
  batches: number,
): RunLength {
  const perEpoch = Math.max(1, Math.ceil(batches / plan.accumulate));
  const whole = Math.ceil(plan.epochs * perEpoch);
  return { perEpoch, total: plan.maxSteps === null ? whole : Math.min(whole, plan.maxSteps) };
}

/** Where a run is, with its parameters and optimizer state, as plain numbers. */
export interface Checkpoint {
  readonly position: Position;
  readonly tensors: HeldTensors;
}

/** Where a run keeps its last checkpoint. */
export interface CheckpointStore {
  /** null when none was written yet. Throws LOTR8212. */
  read(): Checkpoint | null | Promise<Checkpoint | null>;
  /** Whole or not at all. `state`: parameters and optimizer state. */
  write(state: ReadonlyMap<string, TensorData>, position: Position): void | Promise<void>;
}

export interface LoopHost {
  readonly run: SavedRun;
  /** the processes that train together; rank 0 writes */
  readonly group: ProcessGroup;
  readonly training: BatchSource;
  readonly evalData: Dataset | null;
  /** null where labels have no names */
  readonly classNames: readonly string[] | null;
  readonly cut: BatchSplit;
  readonly plan: TrainingPlan;
  readonly checkpoints: CheckpointStore;
  readonly logs: readonly TrainingLog[];
  onStep(row: StepRow, total: number): void;
  onEvaluation(step: number, evaluation: Evaluation, best: boolean): void;
  /** receives warnings for the user */
  note(diagnostic: Diagnostic): void;
  /** called with the parameters of the best evaluation so far, before the checkpoint that records it is written */
  keepBest(parameters: ReadonlyMap<string, TensorData>): void | Promise<void>;
  /** called before each checkpoint: a run becomes one that can be resumed with its first */
  beforeSave(): void | Promise<void>;
  /** called after each step: true, on any rank, ends the run with a checkpoint */
  interrupted(): boolean | Promise<boolean>;
}

export interface Outcome {
  readonly position: Position;
  readonly length: RunLength;
  readonly finished: boolean;
  /** the run ended before its last step because no evaluation was better than the best one */
  readonly early: boolean;
}

/**
 * Trains from the last checkpoint, or from the start, to the end of the plan. All ranks of a group take the same steps, each
 * with its share of the examples. Everything that a step does depends on its
 * number alone (order of rows, learning rate), so a run that was stopped anywhere and resumed ends with the same bits as
 * one that was not. Throws LOTR8213 when gradients stay without a finite value, or a parameter or its optimizer state has
 * none when it is to be saved.
 */
export async function trainLoop(host: LoopHost): Promise<Outcome> {
  const { run, group, plan, checkpoints, logs } = host;
  const length = stepsOfRun(plan, host.training.batches);
  const schedule = rateScheduleOf(plan, length.total);
  const firstDraw = firstDrawOf(run.signature, new RandomStream(plan.seed, DRAW_STREAM).uniform(0));
  const stepPlan = { ...plan, firstDraw };
  const parts = partsPerBatch(plan.accumulate, group);
  const start = await group.ofFirst(() => checkpoints.read());
  if (start) run.hold(start.tensors);
  let at = start?.position ?? firstPosition(plan.lossScale);
  goOnFrom(run, at);
  if (!start) at = await evaluated(host, at);
  const save = async () => {
    const state = await sameState(group, run, at.step, host.note);
    requireFinite(run.signature, state, at.step);
    if (group.rank > 0) return;
    await host.beforeSave();
    await checkpoints.write(state, at);
    for (const log of logs) log.checkpoint();
  };
  const patience = plan.patience ?? Number.POSITIVE_INFINITY;
  while (at.step < length.total && at.stale < patience) {
    const started = performance.now();
    const { batches, first, ...own } = await feedsOfStep(host, at.step, length.perEpoch, parts);
    const rates = ratesAt(run.signature, schedule, at.step);
    const used = at.scale.value;
    const taken = await advance(run, stepPlan, at, batches, rates, { group, parts, first });
    const [examples, tokens] = await sumOf(group, own.examples, own.tokens);
    at = taken.at;
    const seconds = (performance.now() - started) / 1000;
    const epoch = at.step / length.perEpoch;
    const row = {
      step: at.step,
      epoch,
      ...taken.result,
      lr: rates.lr,
      groupRates: ratesByPattern(run.signature, rates),
      lossScale: used,
      examples,
      tokens,
      seconds,
    };
    for (const log of logs) log.step(row);
    host.onStep(row, length.total);
    requireConverging(at);
    const due = isDue(at.step, plan.evalEvery ?? length.perEpoch, length.total);
    if (due) at = await evaluated(host, at);
    if (due || isDue(at.step, plan.checkpointEvery, length.total)) await save();
    const [asked] = await sumOf(group, (await host.interrupted()) ? 1 : 0);
    if (asked > 0 && at.step < length.total && at.stale < patience) {
      await save();
      return { position: at, length, finished: false, early: false };
    }
  }
  return { position: at, length, finished: true, early: at.step < length.total };
}

/** The learning rates of a run of that many steps. */
export function rateScheduleOf({ schedule, warmupSteps: held }: TrainingPlan, total: number): RateSchedule {
  return { ...schedule, warmup: held ?? warmupSteps(schedule.warmup, total), total };
}

/** Sums of single numbers over all ranks. */
async function sumOf<N extends readonly number[]>(group: ProcessGroup, ...own: N): Promise<N> {
  const sums = Float64Array.from(own);
  await group.sum(sums);
  return Array.from(sums) as unknown as N;
}

const isDue = (step: number, every: number, total: number): boolean => step % every === 0 || step === total;

async function evaluated(host: LoopHost, at: Position): Promise<Position> {
  if (!host.evalData) return at;
  const evaluation = await evaluateDataset(host.run, host.evalData, host.cut, host.group);
  const { loss } = evaluation;
  const values = loggedValues(evaluation, host.classNames);
  for (const log of host.logs) log.evaluation({ step: at.step, values });
  const { best: metric } = host.plan;
  const value = metricOf(evaluation, metric);
  const best = Number.isFinite(loss) && isBetter(value, at.best, metric);
  if (best && host.group.rank === 0) {
    const parameters = await host.run.parameters();
    requireFinite(host.run.signature, parameters, at.step);
    await host.keepBest(parameters);
  }
  host.onEvaluation(at.step, evaluation, best);
  if (!Number.isFinite(loss)) host.note(notANumber({ step: at.step }));
  return best ? { ...at, best: { step: at.step, loss, value }, stale: 0 } : { ...at, stale: at.stale + 1 };
}

/** What this rank takes of the batches of a step, as feeds; `first`: the number of its first part among all of them. */
async function feedsOfStep(
  { run, group, training, cut, plan }: LoopHost,
  step: number,
  perEpoch: number,
  parts: number,
) {
  const start = (step % perEpoch) * plan.accumulate;
  const graph = graphOf(run.signature, run.folder, run.signature.changes ? 'grad' : 'step');
  const batches = [];
  let [examples, tokens] = [0, 0];
  const all = await training.take(Math.floor(step / perEpoch), start, plan.accumulate);
  const rowsOfBatches = all.map(({ rows }) => rows);
  const own = partsOfRank(rowsOfBatches, plan.accumulate, parts, group);
  for (const { batch: number, rows } of own) {
    const batch = all[number]!.data.batch(rows, cut.rows ?? undefined);
    batches.push(feedsOf(graph, cut.inputs, batch, signatureTerms(run.signature)));
    examples += batch.examples;
    tokens += batch.tokens ?? 0;
  }
  return { batches, examples, tokens, first: own[0]?.index ?? 0 };
}
