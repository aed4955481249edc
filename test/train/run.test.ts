import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { emitTraining } from '../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../src/backends/onnx-train/options.js';
import { Graph, Model } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { tensorType } from '../../src/ir/shape.js';
import { f32Tensor } from '../../src/ir/tensor.js';
import { rewrite } from '../../src/rewrite.js';
import { TrainingRun } from '../../src/train/run.js';
import type { Batch } from '../../src/train/training-steps.js';
import { noise } from '../support/ort.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-run-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folder = '';
let serial = 0;
beforeEach(() => {
  folder = join(root, String(serial++));
  mkdirSync(folder);
});

/** A classifier x [batch, 23] -> [batch, 7] with one hidden layer, adapted and emitted. */
function emitted(): string {
  const graph = new Graph('net');
  const x = graph.addInput('x', tensorType('f32', ['batch', 23]));
  const w1 = graph.addInitializer('hidden.weight', f32Tensor([23, 29], noise(23 * 29, 3)));
  const w2 = graph.addInitializer('head.weight', f32Tensor([29, 7], noise(29 * 7, 4)));
  const h = graph.append({ op: 'MatMul', inputs: [x, w1], outputs: ['h'], name: '/hidden/MatMul' })
    .outputs[0]!;
  const t = graph.append({ op: 'Tanh', inputs: [h], outputs: ['t'], name: '/Tanh' }).outputs[0]!;
  const y = graph.append({ op: 'MatMul', inputs: [t, w2], outputs: ['logits'], name: '/head/MatMul' })
    .outputs[0]!;
  y.setType(tensorType('f32', ['batch', 7]));
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  rewrite(model, { rank: 4, targets: ['hidden', 'head'] });
  const path = join(folder, 'model.lotr.onnx');
  writeModel(model, path);
  const into = join(folder, 'train');
  emitTraining({ open: () => readModel(path), folder: into, options: TRAIN_DEFAULTS });
  return into;
}

const labels = (...values: number[]) => ({
  type: 'int32',
  dims: [values.length],
  data: Int32Array.from(values),
});
function batch(data: Float32Array, ...values: number[]): Batch {
  return { inputs: { x: { type: 'float32', dims: [values.length, 23], data } }, labels: labels(...values) };
}

test('the loss falls, and the same run gives the same bits', async () => {
  const into = emitted();
  const runs = await Promise.all(
    [1, 2].map(async () => {
      const run = TrainingRun.open(into, { inProcess: true, threads: 1 });
      const losses: number[] = [];
      for (let i = 0; i < 30; i++)
        losses.push((await run.step(batch(noise(5 * 23, 9), 0, 6, 2, 2, 5), 1e-2)).loss);
      const state = [...(await run.save()).values()]
        .map((tensor) => Buffer.from(tensor.bytes()).toString('hex'))
        .join();
      await run.close();
      return { losses, state };
    }),
  );
  expect(runs[0]!.losses.at(-1)!).toBeLessThan(runs[0]!.losses[0]! / 3);
  expect(runs[1]!.state).toBe(runs[0]!.state);
});

test('gradients that are not finite change nothing, halve the loss scale and do not count as a step', async () => {
  const run = TrainingRun.open(emitted(), { inProcess: true, threads: 1 });
  await run.step(batch(noise(46, 9), 1, 3), 1e-2);
  const state = async () =>
    [...(await run.save()).values()].map((tensor) => Buffer.from(tensor.bytes()).toString('hex')).join();
  const before = await state();
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const data = noise(46, 9);
    data[3] = bad;
    const { finite } = await run.step(batch(data, 1, 3), 1e-2);
    expect(finite).toBe(false);
    expect(await state()).toBe(before);
  }
  expect(run.t).toBe(1);
  expect(run.lossScale).toBe(0.25);
  await run.close();
});

test('when every label is ignored the loss and the change are zero', async () => {
  const run = TrainingRun.open(emitted(), { inProcess: true, threads: 1 });
  const before = [...(await run.parameters()).values()]
    .map((tensor) => Buffer.from(tensor.bytes()).toString('hex'))
    .join();
  const { loss, finite } = await run.step(batch(noise(46, 9), -100, -100), 1e-2);
  expect([loss, finite]).toEqual([0, true]);
  const after = [...(await run.parameters()).values()]
    .map((tensor) => Buffer.from(tensor.bytes()).toString('hex'))
    .join();
  expect(after).toBe(before);
  await run.close();
});

test('a base that was moved away is said to be missing (LOTR8201)', () => {
  const train = emitted();
  rmSync(join(train, 'model.lotr.onnx'));
  expect(() => TrainingRun.open(train, { inProcess: true, threads: 1 })).toThrow(
    /LOTR8201: the base weights are missing/,
  );
});

test('a base of the same length with one other bit is refused (LOTR8201)', () => {
  const train = emitted();
  const base = join(train, 'model.lotr.onnx');
  const bytes = readFileSync(base);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(base, bytes);
  expect(() => TrainingRun.open(train, { inProcess: true, threads: 1 })).toThrow(
    /LOTR8201: .*digest.*model\.lotr\.onnx/s,
  );
});

test('a graph that ONNX Runtime does not take is said with its reason (LOTR8110)', async () => {
  const train = emitted();
  writeFileSync(join(train, 'step.onnx'), 'no graph');
  const run = TrainingRun.open(train, { inProcess: true, threads: 1 });
  await expect(run.step(batch(noise(23, 9), 1), 1e-2)).rejects.toThrow(/LOTR8110/);
  await run.close();
});

test.each([7, 99, -1, -101])(
  'label %i is not a class: loss NaN, not finite, and nothing changes',
  async (label) => {
    const run = TrainingRun.open(emitted(), { inProcess: true, threads: 1 });
    const state = async () =>
      [...(await run.save()).values()].map((tensor) => Buffer.from(tensor.bytes()).toString('hex'));
    const before = await state();
    const result = await run.step(batch(noise(46, 9), 1, label), 1e-2);
    expect(result.loss).toBeNaN();
    expect(result.finite).toBe(false);
    expect(await state()).toEqual(before);
    expect((await run.evaluate(batch(noise(46, 9), 1, label))).loss).toBeNaN();
    const counted = await run.evaluate(batch(noise(46, 9), 1, -100));
    expect([Number.isFinite(counted.loss), counted.count]).toEqual([true, 1]);
    await run.close();
  },
);
