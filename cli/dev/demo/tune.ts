import { join } from 'node:path';
import { readSafetensors, writeSafetensors } from '../../../src/ir/files/safetensors.js';
import type { TrainingLog } from '../../../src/train/log.js';
import { openLogs } from '../../../src/train/logs/open.js';
import { TrainingRun } from '../../../src/train/run.js';
import { type Corpus, MODEL, TRAINED_STEPS } from './charlm.js';

/** One way to adapt the model. */
export interface DemoRecipe {
  readonly method: 'lotr' | 'lora';
  readonly rank: number;
  readonly rate: number;
  /** validation loss that PyTorch reaches with the same recipe, windows and number of steps */
  readonly torch: number;
}

export interface TuneResult {
  readonly recipe: DemoRecipe;
  readonly parameters: number;
  readonly before: number;
  readonly after: number;
  /** validation loss by step */
  readonly curve: readonly (readonly [step: number, loss: number])[];
  /** median time of a step in seconds */
  readonly stepTime: number;
}

/** The files of one recipe. */
export function filesOfRun({ method, rank }: DemoRecipe, folder: string) {
  const stem = join(folder, `${method}-r${rank}`);
  return {
    model: `${stem}.onnx`,
    initial: `${stem}.safetensors`,
    train: stem,
    trained: `${stem}.trained.safetensors`,
    logs: `${stem}.logs`,
  };
}

/** scale = rank: the product of the factors counts whole, as in the PyTorch runs. */
export function rewriteWords(recipe: DemoRecipe, folder: string): readonly string[] {
  const { method, rank } = recipe;
  const words = ['rewrite', MODEL, '--method', method, '--rank', `${rank}`, '--scale', `${rank}`];
  return [...words, '--init', 'fan-in', '-o', filesOfRun(recipe, folder).model];
}

/** No clipping, as in the PyTorch runs. Memory is not a concern at this size, so nothing is computed twice. */
export function emitWords(recipe: DemoRecipe, folder: string): readonly string[] {
  const { model, train } = filesOfRun(recipe, folder);
  return [
    ...['emit', 'onnx-train', model, '-o', train],
    '--loss',
    'cross-entropy',
    '--max-norm',
    '0',
    '--recompute',
    'none',
  ];
}

/** Warm-up for 20 steps, or a fifth of fewer than 100, then linear decay to zero. */
export function rateAt(step: number, peak: number, steps = TRAINED_STEPS): number {
  return peak * Math.min(1, (step + 1) / warmUp(steps)) * (1 - step / steps);
}

const warmUp = (steps: number): number => Math.min(20, steps / 5);

/** evaluations of a run, besides that before it */
const EVALUATIONS = 5;

export interface TuneOptions {
  readonly folder: string;
  readonly corpus: Corpus;
  readonly threads: number;
  /** of the learning rate's way down; default: as many as there are windows for */
  readonly steps?: number;
  /** the step to end with; default: the last one */
  readonly until?: number;
  /** told at each evaluation: mean training loss since it was told last, and validation loss */
  readonly onProgress?: (step: number, training: number, validation: number) => void;
}

/** Trains in the recipe's training directory and leaves the adapter file and the logs next to it. */
export async function tune(recipe: DemoRecipe, options: TuneOptions): Promise<TuneResult> {
  const { folder, corpus, threads, steps = TRAINED_STEPS, until = steps, onProgress } = options;
  const every = steps / EVALUATIONS;
  const files = filesOfRun(recipe, folder);
  const run = TrainingRun.open(files.train, { threads });
  const sizes = run.signature.params.map(({ shape }) => shape.reduce((a, b) => a * b, 1));
  const parameters = sizes.reduce((a, b) => a + b, 0);
  const logs = logsOf(recipe, parameters, files.logs, steps);
  const curve: [number, number][] = [];
  const evaluated = async (step: number) => {
    const { loss } = await run.evaluate(corpus.validation());
    const values = new Map(Object.entries({ loss, perplexity: Math.exp(loss) }));
    for (const log of logs) log.evaluation({ step, values });
    curve.push([step, loss]);
    return loss;
  };
  try {
    const before = await evaluated(0);
    const times: number[] = [];
    let after = before;
    let sum = 0;
    for (let step = 0; step < until; step++) {
      const batch = corpus.batch(step);
      const start = performance.now();
      const lr = rateAt(step, recipe.rate, steps);
      const result = await run.step(batch, lr);
      const seconds = (performance.now() - start) / 1000;
      times.push(seconds);
      const [examples = 0, length = 0] = batch.labels.dims;
      const told = { ...result, lr, lossScale: run.lossScale, examples, tokens: examples * length, seconds };
      const epoch = ((step + 1) * examples * length) / corpus.size;
      for (const log of logs) log.step({ step: step + 1, epoch, ...told });
      sum += result.loss;
      const passed = (step % every) + 1;
      if (passed < every && step + 1 < until) continue;
      after = await evaluated(step + 1);
      onProgress?.(step + 1, sum / passed, after);
      sum = 0;
    }
    writeSafetensors(files.trained, await run.parameters(), readSafetensors(files.initial).metadata);
    return { recipe, parameters, before, after, curve, stepTime: median(times) };
  } finally {
    for (const log of logs) log.close();
    await run.close();
  }
}

function logsOf(
  { method, rank, rate }: DemoRecipe,
  parameters: number,
  folder: string,
  steps: number,
): readonly TrainingLog[] {
  const about = { model: 'charlm.onnx', method, task: 'moby-dick', lr: rate, rank, seed: 0, parameters };
  return openLogs(folder, {
    ...about,
    more: { schedule: 'linear', warmup_steps: warmUp(steps), batch_size: 16, steps },
  });
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
