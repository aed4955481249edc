import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { planFactors } from '../../src/adapter/plan-factors.js';
import { emitTraining } from '../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS, type TrainOptions } from '../../src/backends/onnx-train/options.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import type { TensorData } from '../../src/ir/tensor.js';
import { toF32, toIntegers } from '../../src/ir/values.js';
import { insertAdapters } from '../../src/passes/adapters/insert.js';
import { lowerAdapters } from '../../src/passes/adapters/lower.js';
import { writePlan } from '../../src/passes/plan/plan.js';
import type { GraphSignature, Signature } from '../../src/train/signature.js';
import { feedsOf, type Oracle, planOf } from './oracle.js';
import type { Tensor } from './ort.js';

/** A training directory, and what `signature.json` in it says. */
export interface Emission {
  readonly folder: string;
  readonly signature: Signature;
}

/** The model of an oracle with the oracle's factors, and a training directory of it below `scratch`. */
export function emitOracle(oracle: Oracle, scratch: string, options: Partial<TrainOptions> = {}): Emission {
  const folder = mkdtempSync(join(scratch, 'run-'));
  const path = join(folder, 'model.lotr.onnx');
  writeOracle(oracle, path);
  const { logits } = oracle.description;
  emitTraining({
    open: () => readModel(path),
    folder,
    options: { ...TRAIN_DEFAULTS, maxNorm: null, logits, ...options },
  });
  return { folder, signature: JSON.parse(readFileSync(join(folder, 'signature.json'), 'utf8')) as Signature };
}

/** Writes the model of an oracle with the oracle's factors. */
export function writeOracle(oracle: Oracle, path: string): void {
  const model = readModel(oracle.path);
  const row = planOf(oracle, model);
  writePlan(model, { version: 1, plans: [row] });
  const factors = new Map<string, TensorData>();
  for (const { name, shape } of planFactors([row])) {
    const data = oracle.tensors.get(name)!;
    const expected = shape;
    if (data.shape.join() !== expected.join())
      throw new Error(`${name} is [${data.shape}], not [${expected}]`);
    factors.set(name, data);
  }
  insertAdapters(model, factors);
  lowerAdapters(model, 'fold');
  writeModel(model, path);
}

/** Labels of an oracle as the label input takes them. */
export function labelsOf(oracle: Oracle): Tensor {
  const labels = oracle.tensors.get('labels')!;
  return { dtype: 'int32', shape: labels.shape, data: Int32Array.from(toIntegers(labels)) };
}

/** A float32 tensor. */
export const f32Of = (shape: readonly number[], data: Float32Array): Tensor => ({
  dtype: 'float32',
  shape,
  data,
});

/** A host that knows nothing but the signature: feeds ports by role and replaces inputs by their `next` output. */
export class Host {
  readonly held = new Map<string, Tensor>();
  constructor(
    readonly signature: Signature,
    readonly oracle: Oracle,
    /** parameters that are not the oracle's */
    others: ReadonlyMap<string, TensorData> = new Map(),
  ) {
    for (const row of signature.params) {
      this.held.set(row.name, f32Of(row.shape, toF32(others.get(row.name) ?? oracle.tensors.get(row.name)!)));
      for (const slot of signature.optimizer.slots) {
        const zeros = new Float32Array(row.shape.reduce((a, b) => a * b, 1));
        this.held.set(`${row.name} ${slot}`, f32Of(row.shape, zeros));
      }
    }
  }

  feeds(
    graph: GraphSignature,
    scalars: Readonly<Record<string, number>>,
    grads: Readonly<Record<string, Tensor>> = {},
  ): Record<string, Tensor> {
    const batch = feedsOf(this.oracle);
    const feeds: Record<string, Tensor> = {};
    for (const port of graph.inputs) {
      feeds[port.name] =
        port.role === 'batch'
          ? batch[port.name]!
          : port.role === 'label'
            ? labelsOf(this.oracle)
            : port.role === 'grad'
              ? grads[port.param!]!
              : port.role === 'scalar'
                ? f32Of([], Float32Array.of(scalars[port.scalar!]!))
                : this.held.get(port.slot ? `${port.param} ${port.slot}` : port.param!)!;
    }
    return feeds;
  }

  take(graph: GraphSignature, results: Readonly<Record<string, Tensor>>): void {
    for (const port of graph.inputs) {
      if (!port.next) continue;
      const { shape, data } = results[port.next]!;
      const key = port.slot ? `${port.param} ${port.slot}` : port.param!;
      this.held.set(key, f32Of(shape, Float32Array.from(data as Float32Array)));
    }
  }
}
