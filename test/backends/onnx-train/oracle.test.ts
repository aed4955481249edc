import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as Ort from 'onnxruntime-node';
import { afterAll, describe, expect, test } from 'vitest';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { ADAMW, type Optimizer, SGD } from '../../../src/backends/onnx-train/optimizer.js';
import { TRAIN_DEFAULTS } from '../../../src/backends/onnx-train/options.js';
import { factorShape } from '../../../src/ir/adapter.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import type { TensorData } from '../../../src/ir/tensor.js';
import { toF32, toIntegers } from '../../../src/ir/values.js';
import { insertAdapters } from '../../../src/passes/adapters/insert.js';
import { lowerAdapters } from '../../../src/passes/adapters/lower.js';
import { factorTensors, writePlan } from '../../../src/passes/adapters/plan.js';
import type { GraphSignature, Signature } from '../../../src/train/signature.js';
import { feedsOf, type Oracle, oracles, planOf } from '../../support/oracle.js';
import { relativeError, type Tensor } from '../../support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-train-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const OPTIMIZERS: Readonly<Record<string, Optimizer>> = {
  adamw: { ...ADAMW, weightDecay: 0.01 },
  sgd: { ...SGD, momentum: 0.9 },
};
const RATE: Readonly<Record<string, number>> = { adamw: 1e-2, sgd: 0.1 };

/** The rewritten model with the oracle's factors, and a training directory of it. */
function emit(oracle: Oracle, optimizer: string): { folder: string; signature: Signature } {
  const folder = mkdtempSync(join(scratch, 'run-'));
  const path = join(folder, 'model.lotr.onnx');
  const model = readModel(oracle.path);
  const row = planOf(oracle, model);
  writePlan(model, { version: 1, plans: [row] });
  const factors = new Map<string, TensorData>();
  for (const { name, factor, in: inn, out, rank } of factorTensors(row)) {
    const data = oracle.tensors.get(name)!;
    expect(data.shape).toEqual(factorShape(row.spec, factor, inn, out, rank));
    factors.set(name, data);
  }
  insertAdapters(model, factors);
  lowerAdapters(model, 'fold');
  writeModel(model, path);
  const options = {
    ...TRAIN_DEFAULTS,
    optimizer: OPTIMIZERS[optimizer]!,
    maxNorm: null,
    logits: oracle.description.logits,
  };
  emitTraining({ open: () => readModel(path), folder, options });
  const signature = JSON.parse(readFileSync(join(folder, 'signature.json'), 'utf8')) as Signature;
  return { folder, signature };
}

type Level = 'disabled' | 'all';

async function session(folder: string, file: string, level: Level): Promise<Ort.InferenceSession> {
  const ort = await import('onnxruntime-node');
  return ort.InferenceSession.create(join(folder, file), {
    graphOptimizationLevel: level,
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
}

async function tensor({ dtype, shape, data }: Tensor): Promise<Ort.Tensor> {
  const ort = await import('onnxruntime-node');
  return new ort.Tensor(dtype as 'float32', data as Float32Array, shape);
}
const f32 = (shape: readonly number[], data: Float32Array): Tensor => ({ dtype: 'float32', shape, data });

function labelsOf(oracle: Oracle): Tensor {
  const labels = oracle.tensors.get('labels')!;
  return { dtype: 'int32', shape: labels.shape, data: Int32Array.from(toIntegers(labels)) };
}

/** A host that knows nothing but the signature: feeds ports by role and replaces inputs by their `next` output. */
class Host {
  readonly held = new Map<string, Tensor>();
  constructor(
    readonly signature: Signature,
    readonly oracle: Oracle,
  ) {
    for (const row of signature.params) {
      this.held.set(row.name, f32(row.shape, toF32(oracle.tensors.get(row.name)!)));
      for (const slot of signature.optimizer.slots) {
        this.held.set(
          `${row.name} ${slot}`,
          f32(row.shape, new Float32Array(row.shape.reduce((a, b) => a * b, 1))),
        );
      }
    }
  }

  async feeds(graph: GraphSignature, scalars: Record<string, number>, grads: Record<string, Tensor> = {}) {
    const batch = feedsOf(this.oracle);
    const feeds: Record<string, Ort.Tensor> = {};
    for (const port of graph.inputs) {
      const value =
        port.role === 'batch'
          ? batch[port.name]!
          : port.role === 'label'
            ? labelsOf(this.oracle)
            : port.role === 'grad'
              ? grads[port.param!]!
              : port.role === 'scalar'
                ? f32([], Float32Array.of(scalars[port.name]!))
                : this.held.get(port.slot ? `${port.param} ${port.slot}` : port.param!)!;
      feeds[port.name] = await tensor(value);
    }
    return feeds;
  }

  take(graph: GraphSignature, results: Ort.InferenceSession.ReturnType): void {
    for (const port of graph.inputs) {
      if (!port.next) continue;
      const value = results[port.next]!;
      const key = port.slot ? `${port.param} ${port.slot}` : port.param!;
      this.held.set(key, f32(value.dims, Float32Array.from(value.data as Float32Array)));
    }
  }
}

const scalarsAt = (optimizer: string, t: number): Record<string, number> => ({
  lr: RATE[optimizer]!,
  loss_scale: 1,
  bc1: 1 - 0.9 ** t,
  bc2: 1 - 0.999 ** t,
});

describe.each(oracles().map((oracle) => [oracle.name, oracle] as const))('%s', (_name, oracle) => {
  test.each(['all', 'disabled'] as const)('loss and gradients, optimisation %s', async (level) => {
    const { folder, signature } = emit(oracle, 'adamw');
    const host = new Host(signature, oracle);
    const graph = signature.graphs.grad!;
    const results = await (await session(folder, graph.file, level)).run(
      await host.feeds(graph, scalarsAt('adamw', 1)),
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
    const evaluated = await (await session(folder, evaluation.file, level)).run(
      await host.feeds(evaluation, {}),
    );
    expect(Math.abs(Number(evaluated.loss!.data[0]) / oracle.description.loss_at_init - 1)).toBeLessThan(
      1e-5,
    );
    const counted = toIntegers(oracle.tensors.get('labels')!).filter((label) => label !== -100).length;
    expect(Number(evaluated.count!.data[0])).toBe(counted);
  });

  test.each([
    ['adamw', 'step', 'all'],
    ['adamw', 'step', 'disabled'],
    ['adamw', 'grad + apply', 'all'],
    ['sgd', 'step', 'all'],
    ['sgd', 'grad + apply', 'disabled'],
  ] as const)('10 %s steps through %s, optimisation %s', async (optimizer, through, level) => {
    const { folder, signature } = emit(oracle, optimizer);
    const host = new Host(signature, oracle);
    const { step, grad, apply } = signature.graphs;
    const sessions = await Promise.all(
      (through === 'step' ? [step!] : [grad!, apply!]).map(({ file }) => session(folder, file, level)),
    );
    const losses = toF64(oracle, `${optimizer}10.losses`);
    for (let t = 1; t <= 10; t++) {
      const scalars = scalarsAt(optimizer, t);
      const results = await sessions[0]!.run(await host.feeds(through === 'step' ? step! : grad!, scalars));
      expect(Math.abs(Number(results.loss!.data[0]) / losses[t - 1]! - 1)).toBeLessThan(1e-4);
      if (through === 'step') {
        host.take(step!, results);
        continue;
      }
      const grads: Record<string, Tensor> = {};
      for (const port of grad!.outputs) {
        if (port.role === 'grad')
          grads[port.param!] = f32(port.shape as number[], results[port.name]!.data as Float32Array);
      }
      host.take(apply!, await sessions[1]!.run(await host.feeds(apply!, scalars, grads)));
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
