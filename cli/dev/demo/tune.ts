import { join } from 'node:path';
import { readSafetensors, writeSafetensors } from '../../../src/ir/files/safetensors.js';
import { TrainingRun } from '../../../src/train/run.js';
import { type Corpus, MODEL, STEPS } from './charlm.js';

/** One way to adapt the model. */
export interface Recipe {
  readonly method: 'lotr' | 'lora';
  readonly rank: number;
  readonly rate: number;
  /** validation loss that PyTorch reaches with the same recipe and windows */
  readonly torch: number;
}

export interface Tuned {
  readonly recipe: Recipe;
  readonly parameters: number;
  readonly before: number;
  readonly after: number;
  /** median time of a step in seconds */
  readonly stepTime: number;
}

/** The files of one recipe. */
export function filesOf({ method, rank }: Recipe, folder: string) {
  const stem = join(folder, `${method}-r${rank}`);
  return {
    model: `${stem}.onnx`,
    initial: `${stem}.safetensors`,
    train: stem,
    trained: `${stem}.trained.safetensors`,
  };
}

/** scale = rank: the product of the factors counts whole, as in the PyTorch runs. */
export function rewriteWords(recipe: Recipe, folder: string): readonly string[] {
  const { method, rank } = recipe;
  const words = ['rewrite', MODEL, '--method', method, '--rank', `${rank}`, '--scale', `${rank}`];
  return [...words, '--init', 'fan-in', '-o', filesOf(recipe, folder).model];
}

/** No clipping, as in the PyTorch runs. */
export function emitWords(recipe: Recipe, folder: string): readonly string[] {
  const { model, train } = filesOf(recipe, folder);
  return ['emit', 'onnx-train', model, '-o', train, '--loss', 'cross-entropy', '--max-norm', '0'];
}

/** 20 steps of warm-up, then linear decay to zero. */
export function rateAt(step: number, peak: number, steps = STEPS): number {
  return peak * Math.min(1, (step + 1) / 20) * (1 - step / steps);
}

export interface TuneOptions {
  readonly folder: string;
  readonly corpus: Corpus;
  readonly threads: number;
  /** default: all of them */
  readonly steps?: number;
  readonly onStep?: (step: number, loss: number) => void;
}

/** Trains in the recipe's training directory and leaves the adapter file there. */
export async function tune(recipe: Recipe, options: TuneOptions): Promise<Tuned> {
  const { folder, corpus, threads, steps = STEPS, onStep } = options;
  const files = filesOf(recipe, folder);
  const run = TrainingRun.open(files.train, { threads });
  try {
    const { loss: before } = await run.evaluate(corpus.validation());
    const times: number[] = [];
    for (let step = 0; step < steps; step++) {
      const batch = corpus.batch(step);
      const start = performance.now();
      const { loss } = await run.step(batch, rateAt(step, recipe.rate));
      times.push((performance.now() - start) / 1000);
      onStep?.(step + 1, loss);
    }
    const { loss: after } = await run.evaluate(corpus.validation());
    writeSafetensors(files.trained, run.parameters(), readSafetensors(files.initial).metadata);
    const sizes = run.signature.params.map(({ shape }) => shape.reduce((a, b) => a * b, 1));
    const parameters = sizes.reduce((a, b) => a + b, 0);
    return { recipe, parameters, before, after, stepTime: median(times) };
  } finally {
    await run.close();
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
