import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as Ort from 'onnxruntime-node';
import { afterAll, describe, expect, test } from 'vitest';
import { TRAIN_DEFAULTS, type TrainOptions } from '../../../src/backends/onnx-train/options.js';
import { toF32, toIntegers } from '../../../src/ir/values.js';
import { type Optimizer, optimizerOf } from '../../../src/train/optimizers/index.js';
import { EVERYTHING, everySecond, inTurn } from '../../support/everything.js';
import { type Oracle, oracles } from '../../support/oracle.js';
import { relativeError, type Tensor } from '../../support/ort.js';
import { type Emission, emitOracle, f32Of, Host } from '../../support/training.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-train-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const OPTIMIZERS: Readonly<Record<string, Optimizer>> = {
  adamw: optimizerOf('adamw', { weightDecay: 0.01 }),
  sgd: optimizerOf('sgd', { momentum: 0.9 }),
};
const RATE: Readonly<Record<string, number>> = { adamw: 1e-2, sgd: 0.1 };

type Level = 'disabled' | 'all';

async function session(folder: string, file: string, level: Level): Promise<Ort.InferenceSession> {
  const ort = await import('onnxruntime-node');
  return ort.InferenceSession.create(join(folder, file), {
    graphOptimizationLevel: level,
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
}

/** Runs a session with plain tensors. */
async function run(
  held: Ort.InferenceSession,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<Record<string, Tensor>> {
  const ort = await import('onnxruntime-node');
  const inputs: Record<string, Ort.Tensor> = {};
  for (const [name, { dtype, shape, data }] of Object.entries(feeds)) {
    inputs[name] = new ort.Tensor(dtype as 'float32', data as Float32Array, shape);
  }
  const results = Object.entries(await held.run(inputs));
  return Object.fromEntries(
    results.map(([name, { type, dims, data }]) => [
      name,
      { dtype: type, shape: dims, data: data as Float32Array },
    ]),
  );
}

const scalarsAt = (optimizer: string, t: number): Record<string, number> => ({
  lr: RATE[optimizer]!,
  loss_scale: 1,
  bc1: 1 - 0.9 ** t,
  bc2: 1 - 0.999 ** t,
});

const made = new Map<string, Emission>();
/** A training directory of a model; the same one for all that differ in how it is run alone. */
function emitted(oracle: Oracle, name: string, how: Partial<Pick<TrainOptions, 'recompute' | 'train'>> = {}) {
  const { recompute, train } = { ...TRAIN_DEFAULTS, ...how };
  const key = JSON.stringify([oracle.name, name, recompute, train]);
  const one =
    made.get(key) ?? emitOracle(oracle, scratch, { optimizer: OPTIMIZERS[name]!, recompute, train });
  made.set(key, one);
  return one;
}

/**
 * In CI each model meets every second variant. Outside CI every second model is asked for its gradients, the others take
 * steps, each in one of the variants.
 */
const variantsOf = <const T extends readonly unknown[]>(asked: boolean, variants: T, n: number) =>
  EVERYTHING || asked ? everySecond(inTurn(variants, Math.floor(n / 2) + 1), n) : [];

describe.each(oracles().map((oracle, n) => [oracle.name, oracle, n] as const))('%s', (_name, oracle, n) => {
  test.each(
    variantsOf(
      n % 2 === 0,
      [
        ['cheap', 'all', null],
        ['cheap', 'disabled', ['M']],
        ['block', 'all', ['M']],
        ['none', 'disabled', null],
        ['block', 'all', null],
      ] as const,
      n,
    ),
  )('loss and gradients, recompute %s, optimisation %s, trained %o', async (recompute, level, train) => {
    const { folder, signature } = emitted(oracle, 'adamw', { recompute, train });
    const host = new Host(signature, oracle);
    const graph = signature.graphs.grad!;
    const results = await run(
      await session(folder, graph.file, level),
      host.feeds(graph, scalarsAt('adamw', 1)),
    );
    const loss = Number(results.loss!.data[0]);
    expect(Math.abs(loss / oracle.description.loss_at_init - 1)).toBeLessThan(1e-5);
    for (const port of graph.outputs) {
      if (port.role !== 'grad') continue;
      const reference = toF32(oracle.tensors.get(port.param!.replace('init.', 'grad.'))!);
      expect(relativeError(results[port.name]!.data as Float32Array, reference), port.param).toBeLessThan(
        2e-5,
      );
    }
    const evaluation = signature.graphs.eval!;
    const evaluated = await run(await session(folder, evaluation.file, level), host.feeds(evaluation, {}));
    expect(Math.abs(Number(evaluated.loss!.data[0]) / oracle.description.loss_at_init - 1)).toBeLessThan(
      1e-5,
    );
    const counted = toIntegers(oracle.tensors.get('labels')!).filter((label) => label !== -100).length;
    expect(Number(evaluated.count!.data[0])).toBe(counted);
  });

  test.each(
    variantsOf(
      n % 2 === 1,
      [
        ['adamw', 'step', 'all'],
        ['adamw', 'step', 'disabled'],
        ['adamw', 'grad + apply', 'all'],
        ['sgd', 'step', 'all'],
        ['sgd', 'grad + apply', 'disabled'],
      ] as const,
      n,
    ),
  )('10 %s steps through %s, optimisation %s', async (optimizer, through, level) => {
    const { folder, signature } = emitted(oracle, optimizer);
    const host = new Host(signature, oracle);
    const { step, grad, apply } = signature.graphs;
    const sessions = await Promise.all(
      (through === 'step' ? [step!] : [grad!, apply!]).map(({ file }) => session(folder, file, level)),
    );
    const losses = toF64(oracle, `${optimizer}10.losses`);
    for (let t = 1; t <= 10; t++) {
      const scalars = scalarsAt(optimizer, t);
      const results = await run(sessions[0]!, host.feeds(through === 'step' ? step! : grad!, scalars));
      expect(Math.abs(Number(results.loss!.data[0]) / losses[t - 1]! - 1)).toBeLessThan(1e-4);
      if (through === 'step') {
        host.take(step!, results);
        continue;
      }
      const grads: Record<string, Tensor> = {};
      for (const port of grad!.outputs) {
        if (port.role === 'grad')
          grads[port.param!] = f32Of(port.shape as number[], results[port.name]!.data as Float32Array);
      }
      host.take(apply!, await run(sessions[1]!, host.feeds(apply!, scalars, grads)));
    }
    for (const { name } of signature.params) {
      const reference = toF32(oracle.tensors.get(name.replace('init.', `${optimizer}10.`))!);
      expect(relativeError(host.held.get(name)!.data, reference), name).toBeLessThan(2e-5);
    }
  });
});

function toF64(oracle: Oracle, name: string): number[] {
  const data = oracle.tensors.get(name)!;
  const bytes = Uint8Array.from(data.bytes());
  return data.dtype === 'f64' ? [...new Float64Array(bytes.buffer)] : [...toF32(data)];
}
