import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS, type TrainOptions } from '../../../src/backends/onnx-train/options.js';
import { Graph, Model, type Value } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor, MemoryTensor } from '../../../src/ir/tensor.js';
import { rewrite } from '../../../src/rewrite.js';
import { noise, relativeError, runOrt, type Tensor } from '../../support/ort.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-distil-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const [ROWS, SEQ, IN, HIDDEN, CLASSES] = [3, 4, 7, 11, 5] as const;

/** x [batch, seq, 7] -> adapted layer -> Dropout in training mode -> adapted layer, in a branch of If on request */
function net(branch: boolean): Model {
  const graph = new Graph('net');
  const x = graph.addInput('x', tensorType('f32', ['batch', 'seq', IN]));
  graph.addInput('attention_mask', tensorType('i64', ['batch', 'seq']));
  const w1 = graph.addInitializer('w1', f32Tensor([IN, HIDDEN], noise(IN * HIDDEN, 3)));
  const w2 = graph.addInitializer('w2', f32Tensor([HIDDEN, CLASSES], noise(HIDDEN * CLASSES, 4)));
  const bool = (name: string) => graph.addInitializer(name, new MemoryTensor('bool', [], Uint8Array.of(1)));
  const ratio = graph.addInitializer('ratio', f32Tensor([], [0]));
  const node = (op: string, inputs: Value[], output: string, name: string) =>
    graph.append({ op, inputs, outputs: [output], name }).outputs[0]!;
  const h = node('Tanh', [node('MatMul', [x, w1], 'h', '/one/MatMul')], 't', '/act');
  const d = node('Dropout', [h, ratio, bool('on')], 'd', '/drop');
  let y: Value;
  if (branch) {
    const arm = (from: Value): Graph => {
      const inner = new Graph('arm');
      const product = inner.append({
        op: 'MatMul',
        inputs: [from, w2],
        outputs: [`${from.name}/y`],
        name: `/two/${from.name}`,
      }).outputs[0]!;
      inner.addOutput(product);
      return inner;
    };
    y = graph.append({
      op: 'If',
      inputs: [bool('always')],
      outputs: ['y'],
      name: '/if',
      attrs: [
        ['then_branch', { kind: 'graph', value: arm(d) }],
        ['else_branch', { kind: 'graph', value: arm(h) }],
      ],
    }).outputs[0]!;
  } else {
    y = node('MatMul', [d, w2], 'y', '/two/MatMul');
  }
  y.setType(tensorType('f32', ['batch', 'seq', CLASSES]));
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  return model;
}

const floats = (shape: readonly number[], data: Float32Array): Tensor => ({ dtype: 'float32', shape, data });
const X = floats([ROWS, SEQ, IN], noise(ROWS * SEQ * IN, 9));
const MASK = Array.from({ length: ROWS * SEQ }, (_, i) => Number(i % 5 !== 3));
const mask: Tensor = { dtype: 'int64', shape: [ROWS, SEQ], data: BigInt64Array.from(MASK, BigInt) };

/** The training directory of a net, and loss and gradients of its grad.onnx with factors that are not zero. */
async function gradients(branch: boolean, options: Partial<TrainOptions>, labels: Float32Array | null) {
  const folder = mkdtempSync(join(root, 'net-'));
  const model = net(branch);
  rewrite(model, { rank: 2, targets: ['.*'] });
  const path = join(folder, 'net.onnx');
  writeModel(model, path);
  const request = { open: () => readModel(path), folder, options: { ...TRAIN_DEFAULTS, ...options } };
  const { signature } = emitTraining(request);
  const given: Record<string, Tensor> = { x: X, attention_mask: mask };
  for (const [i, { name, shape }] of signature.params.entries())
    given[name] = floats(
      shape,
      noise(
        shape.reduce((a, b) => a * b, 1),
        20 + i,
      ),
    );
  if (labels) given.labels = floats([ROWS, SEQ, CLASSES], labels);
  const run = (graph: 'grad' | 'eval') => {
    const { file, inputs } = signature.graphs[graph]!;
    const feeds = inputs.map(({ name, scalar }) => [
      name,
      scalar === undefined ? given[name]! : floats([], Float32Array.of(1)),
    ]);
    return runOrt(join(folder, file), Object.fromEntries(feeds) as Record<string, Tensor>);
  };
  return { signature, grad: await run('grad'), evaluated: await run('eval') };
}

/** The logits of the model without adapters, as ONNX Runtime computes them. */
async function baseLogits(branch: boolean): Promise<Float32Array> {
  const path = join(mkdtempSync(join(root, 'base-')), 'base.onnx');
  writeModel(net(branch), path);
  return (await runOrt(path, { x: X, attention_mask: mask })).y!.data as Float32Array;
}

describe.each([
  ['layers of the main graph', false],
  ['a layer in the branches of an If', true],
] as const)('distillation from the base: %s', (_, branch) => {
  test('is that from its logits, position by position', async () => {
    const teacher = await baseLogits(branch);
    const ignored = teacher.map((v, i) => (MASK[Math.floor(i / CLASSES)] === 1 ? v : 3.4028234663852886e38));
    for (const temperature of [1, 2.5]) {
      const given = await gradients(branch, { loss: 'kl', temperature }, ignored);
      const own = await gradients(branch, { loss: 'kl-base', temperature }, null);
      const value = Number(given.grad.loss!.data[0]);
      expect(value).toBeGreaterThan(0.01);
      expect(Number(own.grad.loss!.data[0]) / value).toBeCloseTo(1, 5);
      expect(Number(own.evaluated.loss!.data[0]) / value).toBeCloseTo(1, 5);
      expect(own.grad.count!.data[0]).toBe(ROWS);
      for (const { name } of own.signature.params) {
        const [mine, theirs] = [own, given].map(({ grad }) => grad[`${name}/grad`]!.data as Float32Array);
        expect(Math.max(...theirs!.map(Math.abs))).toBeGreaterThan(0);
        expect(relativeError(mine!, theirs!)).toBeLessThan(5e-6);
      }
      const ports = own.signature.graphs.eval!;
      expect(ports.inputs.map(({ role }) => role)).not.toContain('label');
      expect(ports.outputs.map(({ role }) => role)).toEqual(['loss', 'logits', 'count']);
    }
  });
});

test('a base whose weights are trained, or are not in the model, is not a teacher', async () => {
  const distil = { loss: 'kl-base' } as const;
  await expect(gradients(false, { ...distil, alsoTrain: ['^w2$'] }, null)).rejects.toThrow(
    /LOTR5008.*the teacher is the base/s,
  );
});
