import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../../src/backends/onnx-train/options.js';
import type { OrtTensor } from '../../../src/backends/ort/tensor.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { verify } from '../../../src/ir/verify.js';
import { rewrite } from '../../../src/rewrite.js';
import { TrainingRun } from '../../../src/train/run.js';
import type { Batch } from '../../../src/train/training-steps.js';
import { inTurn } from '../../support/everything.js';
import { feedsOf, type Oracle, oracles } from '../../support/oracle.js';
import { noise, relativeError, type Tensor } from '../../support/ort.js';
import { stackBatches } from '../../support/stack-batches.js';
import { emitOracle, labelsOf } from '../../support/training.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-loop-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const K = 3;

/** The rows of the oracle's batch rotated by k: microbatches that differ. */
function microbatch(oracle: Oracle, k: number): Batch {
  const turned = ({ dtype, shape, data }: Tensor): OrtTensor => {
    const size = data.length / shape[0]!;
    const array = data as Float32Array;
    const out = array.slice();
    for (let row = 0; row < shape[0]!; row++) {
      const from = ((row + k) % shape[0]!) * size;
      out.set(array.subarray(from, from + size), row * size);
    }
    return { type: dtype, dims: shape, data: out };
  };
  const labels = turned(labelsOf(oracle));
  // the last row loses its label: which one that is tells the microbatches apart
  const size = labels.data.length / labels.dims[0]!;
  (labels.data as Int32Array).fill(-100, labels.data.length - size);
  return {
    inputs: Object.fromEntries(
      Object.entries(feedsOf(oracle)).map(([name, tensor]) => [name, turned(tensor)]),
    ),
    labels,
  };
}

const all = oracles().filter(({ name }) => ['bert.ts', 'gpt2.ts', 'llama.dynamo', 't5.ts'].includes(name));
const RATES = [1e-2, 3e-3, 2e-2];

describe.each(all.map((oracle, n) => [oracle.name, oracle, n] as const))('%s', (_name, oracle, n) => {
  test.each(
    inTurn(
      [
        ['disabled', ''],
        ['all', ''],
        ['disabled', ', in functions'],
      ] as const,
      n,
    ),
  )('K steps in one run, optimisation %s%s', async (optimization, functions) => {
    const { folder } = emitOracle(oracle, scratch, { loop: K, maxNorm: 1, keepFunctions: functions !== '' });
    expect(verify(readModel(join(folder, 'step-loop.onnx')))).toEqual([]);
    const batches = Array.from({ length: K }, (_, k) => microbatch(oracle, k));
    const [one, looped] = [0, 1].map(() =>
      TrainingRun.open(folder, { inProcess: true, threads: 1, optimization }),
    ) as [TrainingRun, TrainingRun];
    const steps = [];
    for (const [k, batch] of batches.entries()) steps.push(await one.step(batch, RATES[k]!));
    const together = await looped.stepLoop(stackBatches(batches), RATES);
    expect(new Set(steps.map(({ loss }) => loss)).size).toBe(K);
    expect(looped.t).toBe(K);
    if (optimization === 'disabled') expect(together).toEqual(steps);
    for (const [k, { loss, norm }] of together.entries()) {
      expect(Math.abs(loss / steps[k]!.loss - 1)).toBeLessThan(1e-6);
      expect(Math.abs(norm / steps[k]!.norm - 1)).toBeLessThan(1e-5);
    }
    const [left, right] = [await one.save(), await looped.save()];
    for (const [name, tensor] of left) {
      const [a, b] = [tensor, right.get(name)!].map((t) => new Float32Array(t.bytes().slice().buffer));
      if (optimization === 'disabled') expect(b, name).toEqual(a);
      else expect(relativeError(b!, a!), name).toBeLessThan(1e-5);
    }
    await one.close();
    await looped.close();
  });
});

/** A training directory with a loop for one adapted layer, [batch, 7] -> [batch, 5], in a graph that may have more inputs. */
function emitLayer(graph: Graph): string {
  const x = graph.addInput('x', tensorType('f32', ['batch', 7]));
  const w = graph.addInitializer('w', f32Tensor([7, 5], noise(35, 3)));
  const y = graph.append({ op: 'MatMul', inputs: [x, w], outputs: ['y'], name: '/fc/MatMul' }).outputs[0]!;
  y.setType(tensorType('f32', ['batch', 5]));
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 18);
  rewrite(model, { rank: 2, targets: ['fc'] });
  const folder = mkdtempSync(join(scratch, 'net-'));
  writeModel(model, join(folder, 'model.onnx'));
  const options = { ...TRAIN_DEFAULTS, loss: 'mse', loop: K } as const;
  emitTraining({ open: () => readModel(join(folder, 'model.onnx')), folder, options });
  return folder;
}

test('a microbatch whose gradients overflow changes nothing and uses up neither rate nor bias correction', async () => {
  const folder = emitLayer(new Graph('net'));
  const batch = (seed: number, factor = 1): Batch => ({
    inputs: { x: { type: 'float32', dims: [3, 7], data: noise(21, seed).map((v) => v * factor) } },
    labels: { type: 'float32', dims: [3, 5], data: noise(15, seed + 1) },
  });
  const [one, looped] = [0, 1].map(() =>
    TrainingRun.open(folder, { inProcess: true, threads: 1, optimization: 'disabled' }),
  ) as [TrainingRun, TrainingRun];
  const steps = await looped.stepLoop(stackBatches([batch(1), batch(2, 1e30), batch(3)]), [0.01, 0.02, 0.5]);
  expect(steps.map(({ finite }) => finite)).toEqual([true, false, true]);
  expect([looped.t, looped.lossScale]).toEqual([2, 0.5]);
  await one.step(batch(1), 0.01);
  await one.step(batch(3), 0.02);
  const right = await looped.save();
  for (const [name, tensor] of await one.save())
    expect(right.get(name)!.bytes(), name).toEqual(tensor.bytes());
});

test('webgpu has no Loop: refused with the reason', () => {
  expect(() => emitOracle(all[0]!, scratch, { loop: K, ep: ['webgpu'] })).toThrow(/LOTR5006.*Loop/);
  expect(() => emitOracle(all[0]!, scratch, { loop: 0 })).toThrow(/LOTR5008.*--loop/);
});

test('an input that is not a tensor cannot have an axis of microbatches: --loop is refused', () => {
  // TypeProto { sequence_type { elem_type { tensor_type { elem_type: FLOAT } } } }
  const proto = Uint8Array.of(0x22, 0x06, 0x0a, 0x04, 0x0a, 0x02, 0x08, 0x01);
  const graph = new Graph('net');
  graph.addInput('list', { kind: 'raw', proto });
  expect(() => emitLayer(graph)).toThrow(/LOTR5008: --loop: the input "list" is not a tensor/);
});
