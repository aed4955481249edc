import { badData } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import { advance, DRAW_STREAM, firstDrawOf, requireConverging, type StepPlan } from '../train/advance.js';
import type { Evaluation } from '../train/evaluate.js';
import { graphOf } from '../train/graph-of.js';
import { fullRates, ratesAt, type StepRates } from '../train/group-rates.js';
import { initialScale } from '../train/loss-scale.js';
import { firstPosition, goOnFrom, type Position, positionFor, withPosition } from '../train/position.js';
import { requireFinite } from '../train/require-finite.js';
import type { RateSchedule } from '../train/schedule.js';
import type { Signature } from '../train/signature.js';
import { type StepResult, TrainingSteps } from '../train/training-steps.js';
import { feedsOfBatch, type GivenBatch, ownColumns, rowsOfBatch } from './batch.js';
import {
  type AbortLike,
  bytesOf,
  type FileProgress,
  type GivenBytes,
  type GivenFiles,
  stopIfAborted,
} from './files.js';
import { type GivenGraphs, openGraphs } from './given-graphs.js';
import { encodeTensorFile, heldOf, parseTensorFile, storedOf } from './tensor-file.js';

/** How a training directory is run. */
export interface GivenTraining extends GivenGraphs {
  /** batches of a step, of which the last one of a pass may have fewer; default 1 */
  readonly accumulate?: number;
  /** a power of two; default: 65536 for graphs that compute in half precision, else 1 */
  readonly lossScale?: number;
  /** of masks of Dropout; default 0 */
  readonly seed?: number;
  readonly onProgress?: (progress: FileProgress) => void;
}

export interface StepOptions {
  /**
   * a schedule, of which the step takes its own rates, or a number; where groups of parameters have rates of their own, these and
   * that of the run
   */
  readonly lr: number | StepRates | RateSchedule;
  /** stops before the step: what was taken so far stays as it is */
  readonly signal?: AbortLike;
}

/** A step that was taken. */
export interface TakenStep extends StepResult {
  /** its number, from 1 on */
  readonly step: number;
  /** the rate of the run */
  readonly lr: number;
  /** what the loss was multiplied by */
  readonly lossScale: number;
}

/**
 * A training run in the caller's ONNX Runtime, in a page or in Node: the loop of `lotrc train`, step by step. The same batches,
 * rates and seed give the bits that `lotrc train` gives on the same provider. Where a provider can, parameters and optimizer
 * state stay on the device between steps.
 */
export class GivenTrainingRun {
  readonly #steps: TrainingSteps;
  readonly #plan: StepPlan;
  #at: Position;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(steps: TrainingSteps, plan: StepPlan) {
    this.#steps = steps;
    this.#plan = plan;
    this.#at = firstPosition(plan.lossScale);
    steps.lossScale = plan.lossScale;
  }

  /**
   * Opens a training directory with its initial state; graphs are loaded when they first run, and the base weights are read once
   * for all of them. Throws LotrcError when a file is missing or damaged.
   */
  static async open(files: GivenFiles, options: GivenTraining): Promise<GivenTrainingRun> {
    const { label, signature, runner, state, metadata } = await openGraphs(files, options);
    const steps = new TrainingSteps(label, signature, runner, metadata);
    steps.hold(state);
    const { accumulate = 1, lossScale = initialScale(signature), seed = 0 } = options;
    const firstDraw = signature.draws ? firstDrawOf(signature, await firstUniform(seed)) : 0;
    return new GivenTrainingRun(steps, { accumulate, lossScale, firstDraw });
  }

  get signature(): Signature {
    return this.#steps.signature;
  }

  /** Steps so far. */
  get taken(): number {
    return this.#at.step;
  }

  /**
   * One optimizer step over a batch, or over several as if they were one. Throws LOTR8213 when gradients stay without a finite
   * value; a single such step changes nothing and says so.
   */
  step(batch: GivenBatch | readonly GivenBatch[], { lr, signal }: StepOptions): Promise<TakenStep> {
    return this.#turn(async () => {
      stopIfAborted(signal);
      const { signature, folder } = this.#steps;
      const graph = graphOf(signature, folder, 'step');
      const given = Array.isArray(batch) ? (batch as readonly GivenBatch[]) : [batch as GivenBatch];
      if (given.length > this.#plan.accumulate) refuseBatches(given.length, this.#plan.accumulate);
      const feeds = given.map((each) => feedsOfBatch(signature, graph, each));
      const rates =
        typeof lr === 'object' && 'peak' in lr
          ? ratesAt(signature, lr, this.#at.step)
          : fullRates(signature, lr);
      const lossScale = this.#at.scale.value;
      const { at, result } = await advance(this.#steps, this.#plan, this.#at, feeds, rates);
      this.#at = at;
      requireConverging(at);
      return { step: at.step, ...result, lr: rates.lr, lossScale };
    });
  }

  /**
   * The loss over batches, with accuracy or perplexity where the loss has them; the number of labels that count are the weights.
   * Throws LOTR8240 when no label counts.
   */
  evaluate(batches: Iterable<GivenBatch>): Promise<Evaluation> {
    return this.#turn(async () => {
      // bundlers make a part of its own of it, which pages load when they evaluate
      const { evaluateBatches } = await import('../train/evaluate.js');
      const { signature, folder } = this.#steps;
      const graph = graphOf(signature, folder, 'eval');
      const rows = Array.from(batches, (batch) => rowsOfBatch(graph, batch));
      return evaluateBatches(this.#steps, rows, ownColumns(graph));
    });
  }

  /** A `.safetensors` file of the trained factors and weights, which `lotrc apply` takes. Throws LOTR8213 for NaN and infinity. */
  adapter(): Promise<Uint8Array> {
    return this.#turn(() => this.#file(this.#steps.parameterNames, this.#steps.metadata));
  }

  /** A file from which `resume` goes on with the bits of a run that was not interrupted. Throws LOTR8213 for NaN and infinity. */
  checkpoint(): Promise<Uint8Array> {
    return this.#turn(() => this.#file(null, withPosition(this.#steps, this.#at)));
  }

  /** Goes on from a checkpoint, of this run or of `lotrc train`. Throws LOTR7001, LOTR8211 and LOTR8212 for other files. */
  resume(checkpoint: GivenBytes): Promise<void> {
    return this.#turn(async () => {
      const file = 'the checkpoint';
      const { tensors, metadata } = parseTensorFile(await bytesOf(checkpoint), file);
      const position = positionFor(this.#steps, file, metadata, tensors);
      this.#steps.hold(heldOf(tensors));
      goOnFrom(this.#steps, position);
      this.#at = position;
    });
  }

  /** Frees the sessions and what lies on a device. */
  async close(): Promise<void> {
    await this.#last;
    await this.#steps.close();
  }

  async #file(names: readonly string[] | null, metadata: Readonly<Record<string, string>>) {
    const stored = storedOf(await this.#steps.held(names));
    requireFinite(this.#steps.signature, stored, this.#at.step);
    return encodeTensorFile(stored, metadata, 'the file');
  }

  /** One call after another: a step changes what the next one begins with. */
  #turn<T>(call: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(call);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

function refuseBatches(count: number, accumulate: number): never {
  const why = `the step has ${count} batches, and the run was opened with accumulate ${accumulate}`;
  return fail(badData({ file: 'the batch', why, hint: `open the run with { accumulate: ${count} }` }));
}

/** The first random number of a seed, as the loop of the command line draws it. */
async function firstUniform(seed: number): Promise<number> {
  const { KeyedStream, streamText } = await import('../init/philox.js');
  const text = new TextEncoder().encode(streamText(seed, DRAW_STREAM));
  const words = new DataView(await crypto.subtle.digest('SHA-256', text));
  return new KeyedStream(Uint32Array.from({ length: 4 }, (_, i) => words.getUint32(4 * i, true))).uniform(0);
}
