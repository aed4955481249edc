import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { AdapterSpec } from '../../../src/adapter/description.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS, type TrainOptions } from '../../../src/backends/onnx-train/options.js';
import { attrFloat, attrInt } from '../../../src/ir/attr.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { readSafetensors } from '../../../src/ir/files/safetensors.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { printModel } from '../../../src/ir/text/index.js';
import { toF32 } from '../../../src/ir/values.js';
import { rewrite } from '../../../src/rewrite.js';
import { optimizerOf } from '../../../src/train/optimizers/index.js';
import type { GraphSignature, Signature } from '../../../src/train/signature.js';
import { noise, relativeError, runOrt, type Tensor } from '../../support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-full-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const [ROWS, IN, HIDDEN, CLASSES, RANK] = [4, 13, 11, 5, 3] as const;
const HEAD_BIAS_SCALE = 0.5;
const W1 = noise(IN * HIDDEN, 3);
const X = noise(ROWS * IN, 9);
const LABELS = [4, 0, -100, 2];

/** logits = beta b + tanh(x W1) W2^T: an adapted layer and a classifier head with a bias. */
function emitted(
  options: Partial<TrainOptions>,
  spec: AdapterSpec = LOTR,
): { folder: string; signature: Signature } {
  const graph = new Graph('net');
  const x = graph.addInput('x', tensorType('f32', ['batch', IN]));
  const w1 = graph.addInitializer('hidden.weight', f32Tensor([IN, HIDDEN], W1));
  const w2 = graph.addInitializer('head.weight', f32Tensor([CLASSES, HIDDEN], noise(CLASSES * HIDDEN, 4)));
  const bias = graph.addInitializer('head.bias', f32Tensor([CLASSES], noise(CLASSES, 8)));
  const h = graph.append({ op: 'MatMul', inputs: [x, w1], outputs: ['h'], name: '/hidden/MatMul' })
    .outputs[0]!;
  const t = graph.append({ op: 'Tanh', inputs: [h], outputs: ['t'], name: '/Tanh' }).outputs[0]!;
  const y = graph.append({
    op: 'Gemm',
    inputs: [t, w2, bias],
    outputs: ['logits'],
    name: '/head/Gemm',
    attrs: [
      ['transB', attrInt(1)],
      ['beta', attrFloat(HEAD_BIAS_SCALE)],
    ],
  }).outputs[0]!;
  y.setType(tensorType('f32', ['batch', CLASSES]));
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  rewrite(model, { rank: RANK, targets: ['hidden'], spec });
  const folder = mkdtempSync(join(scratch, 'run-'));
  const path = join(folder, 'model.lotr.onnx');
  writeModel(model, path);
  const all = { ...TRAIN_DEFAULTS, maxNorm: null, ...options };
  const { signature } = emitTraining({ open: () => readModel(path), folder, options: all });
  return { folder, signature };
}

type Values = Readonly<Record<string, Float64Array>>;

function loss(p: Values): number {
  let sum = 0;
  for (const [row, label] of LABELS.entries()) {
    if (label === -100) continue;
    const scores = Array.from({ length: CLASSES }, (_, c) => HEAD_BIAS_SCALE * p['head.bias']![c]!);
    const xr = Array.from({ length: RANK }, (_, k) =>
      Array.from({ length: IN }, (_unused, i) => X[row * IN + i]! * p.R![i * RANK + k]!).reduce(
        (a, b) => a + b,
      ),
    );
    for (let j = 0; j < HIDDEN; j++) {
      let h = 0;
      for (let i = 0; i < IN; i++) h += X[row * IN + i]! * W1[i * HIDDEN + j]!;
      for (let k = 0; k < RANK; k++)
        for (let l = 0; l < RANK; l++) h += (xr[k]! * p.M![k * RANK + l]! * p.L![l * HIDDEN + j]!) / RANK;
      for (let c = 0; c < CLASSES; c++) scores[c]! += Math.tanh(h) * p['head.weight']![c * HIDDEN + j]!;
    }
    sum += Math.log(scores.reduce((all, s) => all + Math.exp(s), 0)) - scores[label]!;
  }
  return sum / 3;
}

function gradients(p: Values): Values {
  const of = (name: string) =>
    Float64Array.from(p[name]!, (_, i) => {
      const at = (delta: number) => {
        const moved = Float64Array.from(p[name]!);
        moved[i]! += delta;
        return loss({ ...p, [name]: moved });
      };
      return (at(1e-5) - at(-1e-5)) / 2e-5;
    });
  return Object.fromEntries(Object.keys(p).map((name) => [name, of(name)]));
}

/** torch.optim.AdamW without weight decay, in float64, on gradients from finite differences. */
function trained(
  start: Values,
  steps: number,
  lr: number,
  multipliers: Readonly<Record<string, number>>,
): Values {
  let p = start;
  const zeros = () => Object.fromEntries(Object.entries(p).map(([name, v]) => [name, v.map(() => 0)]));
  const [m, v] = [zeros(), zeros()];
  for (let t = 1; t <= steps; t++) {
    const g = gradients(p);
    const move = (name: string, value: number, i: number): number => {
      m[name]![i] = 0.9 * m[name]![i]! + 0.1 * g[name]![i]!;
      v[name]![i] = 0.999 * v[name]![i]! + 0.001 * g[name]![i]! ** 2;
      const root = Math.sqrt(v[name]![i]! / (1 - 0.999 ** t));
      const rate = lr * (multipliers[name] ?? 1);
      return value - (rate * (m[name]![i]! / (1 - 0.9 ** t))) / (root + EPSILON);
    };
    p = Object.fromEntries(
      Object.entries(p).map(([name, values]) => [name, values.map((value, i) => move(name, value, i))]),
    );
  }
  return p;
}

test('an optimizer for matrices refuses a bias by name, and trains the rest', () => {
  const optimizer = optimizerOf('muon');
  expect(() => emitted({ optimizer, alsoTrain: ['^head\\.'] })).toThrow(/LOTR5023.*"head\.bias" is \[5\]/);
  expect(emitted({ optimizer, alsoTrain: ['^head\\.weight'] }).signature.optimizer).toEqual({
    kind: 'muon',
    constants: { momentum: 0.95, weightDecay: 0 },
    slots: ['u'],
  });
});

/** Large, so that the direction of elements with tiny gradients is not decided by rounding. */
const EPSILON = 1e-3;
const MULTIPLIERS = { M: 16, 'head.bias': 0.25 };

describe.each(['lotrc', 'ort'] as const)('a classifier head trained in full, names as %s', (names) => {
  const { folder, signature } = emitted({
    names,
    alsoTrain: ['^head\\.'],
    lrMultipliers: MULTIPLIERS,
    optimizer: optimizerOf('adamw', { epsilon: EPSILON }),
  });
  const state = readSafetensors(join(folder, 'state.safetensors')).tensors;

  test('the head is in the state as the base has it, and in the signature without group and site', () => {
    expect(toF32(state.get('head.bias')!)).toEqual(noise(CLASSES, 8));
    expect(signature.params.filter(({ group }) => group === null)).toEqual(
      ['head.weight', 'head.bias'].map((name) =>
        expect.objectContaining({ name, site: null, trainable: true, init: 'base' }),
      ),
    );
    const rates = Object.fromEntries(
      signature.params.map(({ factor, lrMultiplier }) => [factor, lrMultiplier]),
    );
    expect(rates).toEqual({ R: 1, L: 1, M: 16, 'head.weight': 1, 'head.bias': 0.25 });
  });

  test('ports have the requested names', () => {
    const rates = signature.graphs.step!.inputs.filter(({ scalar }) => scalar === 'lr');
    expect(rates.map(({ name }) => name)).toEqual([names === 'ort' ? 'learning_rate' : 'lr']);
    const grads = signature.graphs.grad!.outputs.filter(({ role }) => role === 'grad');
    for (const { name, param } of grads) expect(name).toBe(`${param}${names === 'ort' ? '_grad' : '/grad'}`);
    expect(signature.graphs.grad!.outputs[0]!.role).toBe('loss');
  });

  test.each(['step', 'grad + apply'])('four AdamW steps through %s are those of float64', async (through) => {
    const held = new Map<string, Tensor>();
    for (const { name, shape, factor } of signature.params) {
      const data = factor === 'M' ? noise(RANK * RANK, 6) : toF32(state.get(name)!);
      held.set(name, { dtype: 'float32', shape, data });
      for (const slot of signature.optimizer.slots)
        held.set(`${name} ${slot}`, { dtype: 'float32', shape, data: new Float32Array(data.length) });
    }
    const keyOf = new Map(signature.params.map(({ name, factor }) => [name, factor]));
    const start: Values = Object.fromEntries(
      [...keyOf].map(([name, factor]) => [factor, Float64Array.from(held.get(name)!.data as Float32Array)]),
    );
    const run = async (graph: GraphSignature, t: number, grads: ReadonlyMap<string, Tensor> = new Map()) => {
      const scalars = {
        lr: 0.01,
        loss_scale: 1,
        bc1: 1 - 0.9 ** t,
        bc2: 1 - 0.999 ** t,
        draw: t,
        divisor: 1,
      };
      const feeds = Object.fromEntries(
        graph.inputs.map((port): [string, Tensor] => [
          port.name,
          port.role === 'batch'
            ? { dtype: 'float32', shape: [ROWS, IN], data: X }
            : port.role === 'label'
              ? { dtype: 'int32', shape: [ROWS], data: Int32Array.from(LABELS) }
              : port.role === 'scalar'
                ? { dtype: 'float32', shape: [], data: Float32Array.of(scalars[port.scalar!]) }
                : port.role === 'grad'
                  ? grads.get(port.param!)!
                  : held.get(port.slot ? `${port.param} ${port.slot}` : port.param!)!,
        ]),
      );
      const results = await runOrt(join(folder, graph.file), feeds);
      for (const port of graph.inputs)
        if (port.next) held.set(port.slot ? `${port.param} ${port.slot}` : port.param!, results[port.next]!);
      return results;
    };
    const { step, grad, apply } = signature.graphs;
    for (let t = 1; t <= 4; t++) {
      if (through === 'step') {
        await run(step!, t);
        continue;
      }
      const results = await run(grad!, t);
      const ports = grad!.outputs.filter(({ role }) => role === 'grad');
      await run(apply!, t, new Map(ports.map(({ name, param }) => [param!, results[name]!])));
    }
    const expected = trained(start, 4, 0.01, MULTIPLIERS);
    for (const [name, factor] of keyOf) {
      expect(relativeError(held.get(name)!.data, expected[factor]!), factor).toBeLessThan(2e-6);
      expect(relativeError(held.get(name)!.data, start[factor]!), factor).toBeGreaterThan(1e-3);
    }
  });
});

test.each<[string, Partial<TrainOptions>]>([
  ['a multiplier for a factor that does not exist', { lrMultipliers: { Q: 2 } }],
  ['a multiplier for a factor that is not trained', { train: ['M'], lrMultipliers: { R: 2 } }],
  ['a multiplier of zero', { lrMultipliers: { M: 0 } }],
  ['one factor of two that does not exist', { train: ['M', 'Q'] }],
])('%s is refused (LOTR5008)', (_, options) => {
  expect(() => emitted(options)).toThrow(LotrcError);
  expect(() => emitted(options)).toThrow(/LOTR5008/);
});

test('a group gives parameters a rate and a decay of their own; the first that fits counts', async () => {
  const groups = ['head:lr=0.5x,weight-decay=0.25', 'lora/.*/B$:lr=4x', '/(A|B)$:weight-decay=0'];
  const optimizer = optimizerOf('sgd', { momentum: 0, weightDecay: 0.125 });
  const { folder, signature } = emitted({ groups, optimizer, alsoTrain: ['head.weight'] }, LORA);
  const rows = signature.params.map(({ factor, lrMultiplier, weightDecay }) => [
    factor,
    lrMultiplier,
    weightDecay,
  ]);
  expect(rows).toEqual([
    ['A', 1, 0],
    ['B', 4, undefined],
    ['head.weight', 0.5, 0.25],
  ]);
  const apply = signature.graphs.apply!;
  const lr = 0.5;
  const feeds: Record<string, Tensor> = {};
  for (const { name, role, shape, scalar } of apply.inputs) {
    const dims = (shape as number[]).slice();
    const size = dims.reduce((a, b) => a * b, 1);
    const fill = scalar === 'lr' ? lr : role === 'grad' ? 0 : role === 'param' ? 2 : 1;
    feeds[name] = { dtype: 'float32', shape: dims, data: new Float32Array(size).fill(fill) };
  }
  const found = await runOrt(join(folder, apply.file), feeds);
  for (const { name, lrMultiplier, weightDecay = 0.125 } of signature.params) {
    const after =
      found[apply.outputs.find(({ param, role }) => role === 'param' && param === name)!.name]!.data[0];
    expect(after, name).toBeCloseTo(2 - lr * lrMultiplier * weightDecay * 2, 6);
  }
});

test.each([
  ['B$', 'it has no pattern and settings'],
  ['(:lr=2x', 'Invalid regular expression'],
  ['B$:lr=0', 'out of range'],
  ['B$:lr=fast', 'out of range'],
  ['B$:lr=0x', 'out of range'],
  ['B$:weight-decay=-1', 'out of range'],
  ['B$:lr=2x,lr=3x', 'it gives lr twice'],
  ['B$:schedule=sine', 'there is no schedule "sine"'],
  ['B$:momentum=0', '"momentum=0" is not a setting'],
  ['Q$:lr=2x', 'no trained parameter is left for it'],
])('--group %s is refused (LOTR5008)', (group, why) => {
  expect(() => emitted({ groups: [group] }, LORA)).toThrow(why);
});

test('what a description freezes, and its multipliers, are what --train and --lr-multiplier say', () => {
  const [a, b] = LORA.factors as [(typeof LORA.factors)[0], (typeof LORA.factors)[0]];
  const described = {
    ...LORA,
    factors: [
      { ...a, mode: 'frozen' as const },
      { ...b, lrMultiplier: 4 },
    ],
  };
  const spec = emitted({ loop: 3 }, described);
  const option = emitted({ loop: 3, train: ['B'], lrMultipliers: { B: 4 } }, LORA);
  expect(
    spec.signature.params.map(({ factor, trainable, lrMultiplier }) => [factor, trainable, lrMultiplier]),
  ).toEqual([
    ['A', false, 1],
    ['B', true, 4],
  ]);
  expect(spec.signature.graphs).toEqual(option.signature.graphs);
  const graphs = Object.values(spec.signature.graphs);
  expect(graphs.map(({ file }) => file)).toContain('step-loop.onnx');
  for (const { file, inputs } of graphs) {
    const carried = inputs.flatMap(({ role, param }) => (role === 'param' ? [param] : []));
    expect(
      carried.some((name) => name!.endsWith('/A')),
      file,
    ).toBe(file === 'infer.onnx');
    const text = ({ folder }: { folder: string }) => {
      const model = readModel(join(folder, file));
      return printModel(model, { locations: false }).replace(/"lotrc\.adapters": "(?:[^"\\]|\\.)*"/, '');
    };
    expect(text(spec), file).toBe(text(option));
  }
  expect(() => emitted({ train: ['A', 'B'] }, described)).toThrow(/LOTR5008.*freezes A/s);
});
