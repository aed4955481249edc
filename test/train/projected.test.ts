import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterAll, describe, expect, test } from 'vitest';
import type { AdapterSpec } from '../../src/adapter/description.js';
import { DORA } from '../../src/adapter/methods/dora.js';
import { LORA } from '../../src/adapter/methods/lora.js';
import { LORA_FA } from '../../src/adapter/methods/lora-fa.js';
import { LORA_PLUS } from '../../src/adapter/methods/lora-plus.js';
import { LOTR } from '../../src/adapter/methods/lotr.js';
import type { PlanRow, SiteRow } from '../../src/adapter/saved-plan.js';
import { MOST_CHANGED, wholeChanges } from '../../src/backends/onnx-train/changes.js';
import { emitTraining } from '../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS, type TrainOptions } from '../../src/backends/onnx-train/options.js';
import { attrFloat, attrInt } from '../../src/ir/attr.js';
import { readSafetensors } from '../../src/ir/files/safetensors.js';
import { Graph, Model } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { tensorType } from '../../src/ir/shape.js';
import { f32Tensor } from '../../src/ir/tensor.js';
import { toF32, toIntegers } from '../../src/ir/values.js';
import { rewrite } from '../../src/rewrite.js';
import { TrainingRun as GivenRun } from '../../src/runtime/index.js';
import { advance } from '../../src/train/advance.js';
import { readCheckpoint, writeCheckpoint } from '../../src/train/checkpoint.js';
import { type OptimizerKind, optimizerOf } from '../../src/train/optimizers/index.js';
import { firstPosition, goOnFrom } from '../../src/train/position.js';
import { changesOf } from '../../src/train/projection.js';
import { TrainingRun } from '../../src/train/run.js';
import type { Port, Signature } from '../../src/train/signature.js';
import { filesIn } from '../support/given-run.js';
import { relativeError } from '../support/ort.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-projected-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const recorded = readSafetensors(
  join(import.meta.dirname, '../data/projected/projected.safetensors'),
).tensors;
const numbers = (name: string) => toF32(recorded.get(name)!);
const [ROWS, IN, OUT, CLASSES, RANK, SCALE, STEPS, RATE] = [6, 7, 5, 4, 2, 3, 8, 0.05] as const;

const ADAMW = { beta2: 0.98, epsilon: 1e-6, weightDecay: 0.05 };
const SGD = { momentum: 0.8, weightDecay: 0.05 };
const OPTIMIZERS = {
  'lowrank-adamw': { spec: LORA, optimizer: optimizerOf('lowrank-adamw', ADAMW) },
  'lowrank-sgd': { spec: LORA, optimizer: optimizerOf('lowrank-sgd', SGD) },
  'lotr-adamw': { spec: LOTR, optimizer: optimizerOf('lotr-adamw', ADAMW) },
  'lotr-sgd': { spec: LOTR, optimizer: optimizerOf('lotr-sgd', SGD) },
};

let serial = 0;
/** logits = (tanh(x W1) * (1 + x W2)) W3^T + b, of which both products with x are adapted. */
function emitted(spec: AdapterSpec, options: Partial<TrainOptions>, alpha = 1) {
  const graph = new Graph('net');
  const x = graph.addInput('x', tensorType('f32', ['batch', IN]));
  const stored = (name: string, shape: readonly number[]) =>
    graph.addInitializer(name, f32Tensor(shape, numbers(name)));
  const node = (op: string, inputs: Parameters<Graph['append']>[0]['inputs'], output: string, more = {}) =>
    graph.append({ op, inputs, outputs: [output], name: `/${output}/${op}`, ...more }).outputs[0]!;
  const ones = graph.addInitializer('ones', f32Tensor([OUT], new Float32Array(OUT).fill(1)));
  const one = node('MatMul', [x, stored('one.weight', [IN, OUT])], 'one');
  const two = node('Gemm', [x, stored('two.weight', [IN, OUT])], 'two', {
    attrs: alpha === 1 ? [] : [['alpha', attrFloat(alpha)]],
  });
  const h = node('Mul', [node('Tanh', [one], 'tanh'), node('Add', [two, ones], 'more')], 'product');
  const y = node(
    'Gemm',
    [h, stored('head.weight', [CLASSES, OUT]), stored('head.bias', [CLASSES])],
    'logits',
    {
      attrs: [['transB', attrInt(1)]],
    },
  );
  y.setType(tensorType('f32', ['batch', CLASSES]));
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  rewrite(model, { rank: RANK, targets: ['one', 'two'], spec: { ...spec, scale: SCALE } });
  const folder = join(root, String(serial++));
  mkdirSync(folder);
  const path = join(folder, 'model.lotr.onnx');
  writeModel(model, path);
  const all = { ...TRAIN_DEFAULTS, maxNorm: 2, alsoTrain: ['head.bias'], ...options };
  const { signature } = emitTraining({ open: () => readModel(path), folder, options: all });
  return { folder, signature };
}

function batchOf(step: number) {
  const x = numbers('x').slice(step * ROWS * IN, (step + 1) * ROWS * IN);
  const y = Int32Array.from(toIntegers(recorded.get('labels')!)).slice(step * ROWS, (step + 1) * ROWS);
  return { x: { dims: [ROWS, IN], data: x }, labels: { dims: [ROWS], data: y } };
}
function feedsOf(step: number) {
  const { x, labels } = batchOf(step);
  return { inputs: { x: { type: 'float32', ...x } }, labels: { type: 'int32', ...labels } };
}

function opened({ folder, signature }: { readonly folder: string; readonly signature: Signature }) {
  const run = TrainingRun.open(folder, { inProcess: true, threads: 1 });
  const recordedOf = (factor: string, site: string | null) =>
    recorded.get(factor) ?? recorded.get(`${site}/${factor}`)!;
  run.load(new Map(signature.params.map(({ name, factor, site }) => [name, recordedOf(factor, site)])));
  return run;
}

const PLAN = { accumulate: 1, lossScale: 1, firstDraw: 0 };

async function steps(run: TrainingRun, from: number, to: number, start = firstPosition(1)) {
  const losses: number[] = [];
  let at = start;
  for (let step = from; step < to; step++) {
    const taken = await advance(run, PLAN, at, [feedsOf(step)], RATE);
    at = taken.at;
    losses.push(taken.result.loss);
  }
  return { losses, at };
}

describe.each(Object.entries(OPTIMIZERS))('%s', (kind, { spec, optimizer }) => {
  const emission = emitted(spec, { optimizer });

  test('losses, changes and bias are those of numpy and PyTorch in float64', async () => {
    const run = opened(emission);
    const { losses } = await steps(run, 0, STEPS);
    expect(relativeError(losses, numbers(`${kind}/losses`))).toBeLessThan(2e-5);
    const found = await run.held(run.parameterNames);
    const changes = changesOf(run.signature.changes!, found);
    for (const [name, { data }] of changes) {
      const site = name.split('/').at(-2)!;
      expect(relativeError(data, numbers(`${kind}/${site}`)), site).toBeLessThan(2e-5);
    }
    expect(relativeError(found.get('head.bias')!.data, numbers(`${kind}/bias`))).toBeLessThan(2e-5);
    // what the model computes with the factors is what the last step left
    const { loss } = await run.evaluate(feedsOf(0));
    expect(Number.isFinite(loss)).toBe(true);
    await run.close();
  });

  test('state and checkpoints hold factors and moments; a run goes on with the same bits', async () => {
    const whole = opened(emission);
    const { at } = await steps(whole, 0, 4);
    const kept = join(root, `kept-${kind}`);
    mkdirSync(kept);
    writeCheckpoint(kept, whole, await whole.save(), at);
    await steps(whole, 4, STEPS, at);
    const again = TrainingRun.open(emission.folder, { inProcess: true, threads: 1 });
    const { position, tensors } = readCheckpoint(kept, again)!;
    expect([...tensors.keys()].sort()).toEqual(
      [...readSafetensors(join(emission.folder, 'state.safetensors')).tensors.keys()].sort(),
    );
    again.hold(tensors);
    goOnFrom(again, position);
    await steps(again, 4, STEPS, position);
    const bits = async (run: TrainingRun) =>
      [...(await run.save())].map(([name, t]) => [name, Buffer.from(t.bytes()).toString('hex')]);
    expect(await bits(again)).toEqual(await bits(whole));
    for (const run of [whole, again]) await run.close();
  });

  test('a step that is not finite changes no bit', async () => {
    const run = opened(emission);
    const { at } = await steps(run, 0, 2);
    const before = await run.save();
    const feeds = feedsOf(2);
    feeds.inputs.x.data.fill(Number.NaN);
    const { result } = await advance(run, PLAN, at, [feeds], RATE);
    expect(result.finite).toBe(false);
    for (const [name, tensor] of await run.save())
      expect(Buffer.compare(tensor.bytes(), before.get(name)!.bytes()), name).toBe(0);
    await run.close();
  });
});

test('there is no graph of a whole step; grad has gradients of changes, apply takes and gives changes', () => {
  const { signature } = emitted(LOTR, { optimizer: optimizerOf('lotr-adamw') });
  expect(Object.keys(signature.graphs)).toEqual(['grad', 'apply', 'eval', 'infer']);
  const names = ['lotr/one/change', 'lotr/two/change'];
  expect(signature.changes!.map(({ name, shape, scale }) => [name, shape, scale])).toEqual(
    names.map((name) => [name, [IN, OUT], SCALE / RANK]),
  );
  expect(signature.changes!.map(({ factors }) => factors)).toEqual([
    ['lotr/7x5/R', 'lotr/one/M', 'lotr/7x5/L'],
    ['lotr/7x5/R', 'lotr/two/M', 'lotr/7x5/L'],
  ]);
  const { grad, apply } = signature.graphs;
  const of = (ports: readonly Port[], role: string) =>
    ports.filter((port) => port.role === role).map(({ param }) => param);
  expect(of(grad!.outputs, 'grad')).toEqual([...names, 'head.bias']);
  expect(of(apply!.inputs, 'change')).toEqual(names);
  expect(of(apply!.outputs, 'change')).toEqual(names);
  expect(apply!.inputs.filter(({ role, next }) => role === 'change' && next !== undefined)).toEqual([]);
});

test('groups fit changes and weights by their names', () => {
  const groups = ['one/change$:lr=0.5x', 'head.bias:lr=1e-3', 'change$:weight-decay=0'];
  const { signature } = emitted(LORA, { optimizer: optimizerOf('lowrank-adamw'), groups });
  expect(signature.changes!.map(({ lrMultiplier, weightDecay }) => [lrMultiplier, weightDecay])).toEqual([
    [0.5, undefined],
    [1, 0],
  ]);
  expect(() => emitted(LORA, { optimizer: optimizerOf('lowrank-sgd'), groups: ['A$:lr=2x'] })).toThrow(
    /LOTR5008.*no trained parameter is left for it.*change/s,
  );
});

test.each<[string, OptimizerKind, AdapterSpec, Partial<TrainOptions>, number, RegExp]>([
  ['a core between shared factors', 'lowrank-adamw', LOTR, {}, 1, /two factors of its own.*ir,rs,so->io/],
  ['factors of single layers', 'lotr-sgd', LORA, {}, 1, /a core between two factors.*ir,ro->io/],
  ['a frozen factor', 'lowrank-sgd', LORA_FA, {}, 1, /A: site, frozen/],
  ['factors with rates of their own', 'lowrank-sgd', LORA_PLUS, {}, 1, /at one rate/],
  ['a change that is not a product', 'lowrank-sgd', DORA, {}, 1, /two factors of its own/],
  ['step-loop', 'lowrank-sgd', LORA, { loop: 2 }, 1, /leave out --loop/],
  ['some factors', 'lowrank-sgd', LORA, { train: ['B'] }, 1, /leave out --train/],
  ['functions', 'lowrank-sgd', LORA, { keepFunctions: true }, 1, /leave out --keep-functions/],
  ['products in 8 bits', 'lowrank-sgd', LORA, { baseDtype: 'int8' }, 1, /leave out --base-dtype/],
  ['the alpha of a Gemm', 'lowrank-sgd', LORA, {}, 0.5, /the weight of lora\/two is read with a factor/],
])('%s: refused (LOTR5026)', (_, kind, spec, options, alpha, wanted) => {
  const all = () => emitted(spec, { optimizer: optimizerOf(kind), ...options }, alpha);
  expect(all).toThrow(/LOTR5026/);
  expect(all).toThrow(wanted);
});

test('more numbers than a step has memory for are refused before anything is computed (LOTR5026)', () => {
  const group = { id: 'wide', in: MOST_CHANGED / 2, out: 2, rank: 2, factors: {} };
  const site = (id: string): SiteRow => ({
    ...{ id, modulePath: id, nameFrom: 'weight', aliases: [], group: 'wide', uses: [] },
    factors: { A: `lora/${id}/A`, B: `lora/${id}/B` },
  });
  const row = (sites: readonly SiteRow[]): PlanRow => ({
    ...{ spec: LORA, share: 'shape', carry: 'embedded', lowering: 'fold', seed: 0 },
    ...{ groups: [group], sites },
  });
  const options = { ...TRAIN_DEFAULTS, optimizer: optimizerOf('lowrank-sgd') };
  expect(wholeChanges([row([site('a')])], options)).toHaveLength(1);
  expect(() => wholeChanges([row([site('a'), site('b')])], options)).toThrow(
    /LOTR5026.*the changes of 2 layers have 134217728 numbers, and 67108864 is the most/,
  );
});

test('lotrc/runtime refuses such a directory (LOTR8125), and a signature that is not of products is refused', async () => {
  const { folder } = emitted(LORA, { optimizer: optimizerOf('lowrank-sgd') });
  await expect(GivenRun.open(filesIn(folder), { ort, ep: 'cpu' })).rejects.toThrow(/LOTR8125.*lowrank-sgd/s);
  const file = join(folder, 'signature.json');
  const text = readFileSync(file, 'utf8');
  for (const [from, to] of [
    [/"scale": 1.5/, '"scale": 0'],
    [/"factors": \[\s*"[^"]*",/, '"factors": ['],
    [/("factors": \[\s*)("[^"]*")(,\s*)("[^"]*")/, '$1$4$3$2'],
  ] as const) {
    expect(text).toMatch(from);
    writeFileSync(file, text.replace(from, to));
    expect(() => TrainingRun.open(folder, { inProcess: true })).toThrow(/LOTR8201/);
  }
});
