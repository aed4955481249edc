import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterAll, describe, expect, test } from 'vitest';
import type { AdapterSpec } from '../../src/adapter/description.js';
import { LORA } from '../../src/adapter/methods/lora.js';
import { LORA_FA } from '../../src/adapter/methods/lora-fa.js';
import { LORA_PLUS } from '../../src/adapter/methods/lora-plus.js';
import { LOTR } from '../../src/adapter/methods/lotr.js';
import { emitTraining } from '../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS, type TrainOptions } from '../../src/backends/onnx-train/options.js';
import { attrInt } from '../../src/ir/attr.js';
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

import { readCheckpoint, requireSameGroups, writeCheckpoint } from '../../src/train/checkpoint.js';
import { ratesAt, ratesByPattern } from '../../src/train/group-rates.js';
import { optimizerOf } from '../../src/train/optimizers/index.js';
import { firstPosition, goOnFrom } from '../../src/train/position.js';
import { TrainingRun } from '../../src/train/run.js';
import type { RateSchedule } from '../../src/train/schedule.js';
import type { Signature } from '../../src/train/signature.js';
import { filesIn } from '../support/given-run.js';
import { relativeError } from '../support/ort.js';
import { stackBatches } from '../support/stack-batches.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-groups-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const recorded = readSafetensors(join(import.meta.dirname, '../data/groups/groups.safetensors')).tensors;
const numbers = (name: string) => toF32(recorded.get(name)!);
const [ROWS, IN, HIDDEN, CLASSES, RANK, STEPS] = [6, 7, 5, 4, 3, 10] as const;
const SCHEDULE: RateSchedule = {
  kind: 'linear',
  peak: 0.02,
  floor: 0.002,
  power: 2,
  warmup: 3,
  total: STEPS,
};
const GROUPS = [
  'A$:lr=3e-3,schedule=cosine',
  '/B$:lr=4x',
  'head.weight:lr=0.05,schedule=constant,weight-decay=0.2',
  'head.bias:schedule=polynomial',
];
const OPTIMIZERS = {
  adamw: optimizerOf('adamw', { beta2: 0.98, epsilon: 1e-6, weightDecay: 0.05 }),
  sgd: optimizerOf('sgd', { momentum: 0.8, weightDecay: 0.05 }),
};

let serial = 0;
function emitted(options: Partial<TrainOptions>, spec: AdapterSpec = LORA) {
  const graph = new Graph('net');
  const x = graph.addInput('x', tensorType('f32', ['batch', IN]));
  const [w1, w2, bias] = [
    ['hidden.weight', [IN, HIDDEN]],
    ['head.weight', [CLASSES, HIDDEN]],
    ['head.bias', [CLASSES]],
  ].map(([name, shape]) =>
    graph.addInitializer(name as string, f32Tensor(shape as number[], numbers(name as string))),
  );
  const node = (op: string, inputs: Parameters<Graph['append']>[0]['inputs'], output: string, more = {}) =>
    graph.append({ op, inputs, outputs: [output], name: `/${output}/${op}`, ...more }).outputs[0]!;
  const t = node('Tanh', [node('MatMul', [x, w1!], 'hidden')], 'tanh');
  const y = node('Gemm', [t, w2!, bias!], 'logits', { attrs: [['transB', attrInt(1)]] });
  y.setType(tensorType('f32', ['batch', CLASSES]));
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  rewrite(model, { rank: RANK, targets: ['hidden'], spec: { ...spec, scale: 6 } });
  const folder = join(root, String(serial++));
  mkdirSync(folder);
  const path = join(folder, 'model.lotr.onnx');
  writeModel(model, path);
  const all = { ...TRAIN_DEFAULTS, maxNorm: null, alsoTrain: ['^head'], ...options };
  const { signature } = emitTraining({ open: () => readModel(path), folder, options: all });
  return { folder, signature };
}

/** Rows of the batch of a step, from the first to the one before the last. */
function batchOf(step: number, first = 0, last: number = ROWS) {
  const x = numbers('x').slice((step * ROWS + first) * IN, (step * ROWS + last) * IN);
  const y = Int32Array.from(toIntegers(recorded.get('labels')!)).slice(
    step * ROWS + first,
    step * ROWS + last,
  );
  return { x: { dims: [last - first, IN], data: x }, labels: { dims: [last - first], data: y } };
}
function feedsOf(step: number, first?: number, last?: number) {
  const { x, labels } = batchOf(step, first, last);
  return { inputs: { x: { type: 'float32', ...x } }, labels: { type: 'int32', ...labels } };
}

/** A run that starts with the recorded parameters. */
function opened({ folder, signature }: { readonly folder: string; readonly signature: Signature }) {
  const run = TrainingRun.open(folder, { inProcess: true, threads: 1 });
  run.load(new Map(signature.params.map(({ name, factor }) => [name, recorded.get(factor)!])));
  return run;
}

async function expectRecorded(run: TrainingRun, kind: string) {
  const found = await run.parameters();
  for (const { name, factor } of run.signature.params) {
    expect(relativeError(toF32(found.get(name)!), numbers(`${kind}/${factor}`)), factor).toBeLessThan(2e-5);
    expect(relativeError(toF32(found.get(name)!), numbers(factor)), factor).toBeGreaterThan(1e-3);
  }
}

describe.each(Object.entries(OPTIMIZERS))('%s', (kind, optimizer) => {
  const emission = emitted({ groups: GROUPS, optimizer, loop: STEPS });

  test('the signature says which rates there are, and which input has them', () => {
    const { signature } = emission;
    expect(signature.rates).toEqual([
      { pattern: 'A$', lr: 0.003, schedule: 'cosine' },
      { pattern: 'head.weight', lr: 0.05, schedule: 'constant' },
      { pattern: 'head.bias', schedule: 'polynomial' },
    ]);
    expect(signature.multiples).toEqual([{ pattern: '/B$', times: 4 }]);
    expect(signature.params.map(({ factor, lrMultiplier, rate }) => [factor, lrMultiplier, rate])).toEqual([
      ['A', 1, 0],
      ['B', 4, undefined],
      ['head.weight', 1, 1],
      ['head.bias', 1, 2],
    ]);
    for (const name of ['step', 'apply', 'stepLoop'] as const) {
      const ports = signature.graphs[name]!.inputs.filter(({ scalar }) => scalar === 'lr');
      expect(ports.map(({ name, rate }) => [name, rate])).toEqual([
        ['lr', undefined],
        ['lr/0', 0],
        ['lr/1', 1],
        ['lr/2', 2],
      ]);
    }
  });

  test.each(['step', 'grad + apply', 'step-loop'])(
    'ten steps through %s are those of PyTorch with LambdaLR',
    async (through) => {
      const run = opened(emission);
      const rates = Array.from({ length: STEPS }, (_, step) => ratesAt(run.signature, SCHEDULE, step));
      if (through === 'step-loop')
        await run.stepLoop(stackBatches(rates.map((_, step) => feedsOf(step))), rates);
      const plan = { accumulate: through === 'step' ? 1 : 2, lossScale: 1, firstDraw: 0 };
      let at = firstPosition(1);
      for (let step = 0; step < STEPS && through !== 'step-loop'; step++) {
        const batches = through === 'step' ? [feedsOf(step)] : [feedsOf(step, 0, 5), feedsOf(step, 5)];
        ({ at } = await advance(run, plan, at, batches, rates[step]!));
      }
      await expectRecorded(run, kind);
      await run.close();
    },
  );

  test('a run that goes on from a checkpoint has the bits of one that was not stopped', async () => {
    const plan = { accumulate: 1, lossScale: 1, firstDraw: 0 };
    const whole = opened(emission);
    let at = firstPosition(1);
    const steps = async (run: TrainingRun, from: number, to: number) => {
      for (let step = from; step < to; step++)
        ({ at } = await advance(run, plan, at, [feedsOf(step)], ratesAt(run.signature, SCHEDULE, step)));
    };
    await steps(whole, 0, 6);
    const kept = join(root, `kept-${kind}`);
    mkdirSync(kept);
    writeCheckpoint(kept, whole, await whole.save(), at);
    await steps(whole, 6, STEPS);
    const again = TrainingRun.open(emission.folder, { inProcess: true, threads: 1 });
    const { position, tensors } = readCheckpoint(kept, again)!;
    again.hold(tensors);
    goOnFrom(again, position);
    at = position;
    await steps(again, 6, STEPS);
    const bits = async (run: TrainingRun) =>
      [...(await run.save())].map(([name, t]) => [name, Buffer.from(t.bytes()).toString('hex')]);
    expect(await bits(again)).toEqual(await bits(whole));
    // the same with lotrc/runtime, from the same file
    const given = await GivenRun.open(filesIn(emission.folder), {
      ort,
      ep: 'cpu',
      session: { intraOpNumThreads: 1 },
    });
    await given.resume(readFileSync(join(kept, 'checkpoint.safetensors')));
    for (let step = 6; step < STEPS; step++) await given.step(batchOf(step), { lr: SCHEDULE });
    writeCheckpoint(kept, whole, await whole.save(), at);
    const wanted = readFileSync(join(kept, 'checkpoint.safetensors'));
    expect(Buffer.compare(await given.checkpoint(), wanted)).toBe(0);
    for (const run of [whole, again, given]) await run.close();
  });
});

test('a step of a number needs a rate for each group that has its own (LOTR8246)', async () => {
  const emission = emitted({ groups: GROUPS });
  const run = opened(emission);
  for (const call of [
    () => run.step(feedsOf(0), 0.02),
    () => run.accumulate([feedsOf(0)], { lr: 0.02, groups: [0.1] }),
  ])
    await expect(call()).rejects.toThrow(
      /LOTR8246: 3 groups have rates of their own.*A\$.*the step has [01]/,
    );
  await run.close();
  const options = { ort, ep: 'cpu', session: { intraOpNumThreads: 1 } } as const;
  const given = await GivenRun.open(filesIn(emission.folder), options);
  await expect(given.step(batchOf(0), { lr: 0.02 })).rejects.toThrow(/LOTR8246/);
  const { step, lr } = await given.step(batchOf(0), { lr: { lr: 0.02, groups: [0.1, 0.2, 0.3] } });
  expect([step, lr]).toEqual([1, 0.02]);
  await given.close();
});

test('a checkpoint of other groups is refused, by parameter (LOTR8211)', async () => {
  const before = opened(emitted({ groups: GROUPS }));
  const kept = join(root, 'other-groups');
  mkdirSync(kept);
  writeCheckpoint(kept, before, await before.save(), firstPosition(1));
  const file = join(kept, 'checkpoint.safetensors');
  const changes: readonly (readonly string[])[] = [
    [],
    ['A$:lr=4e-3,schedule=cosine', ...GROUPS.slice(1)],
    [...GROUPS.slice(0, 3), 'head.bias:schedule=linear'],
  ];
  for (const groups of changes) {
    const emission = emitted({ groups });
    const after = opened(emission);
    expect(() => readCheckpoint(kept, after)).toThrow(/LOTR8211.* learnt .*, and now /s);
    expect(() => requireSameGroups(kept, after)).toThrow(/LOTR8211/);
    await after.close();
    const given = await GivenRun.open(filesIn(emission.folder), { ort, ep: 'cpu' });
    await expect(given.resume(readFileSync(file))).rejects.toThrow(/LOTR8211/);
    await given.close();
  }
  await before.close();
});

test('presets: the factors of a LoRA learn as those of LoRA+ and LoRA-FA', () => {
  const graphsOf = (groups: readonly string[], spec: AdapterSpec) => emitted({ groups }, spec).signature;
  const learning = ({ params }: Signature) =>
    params.map(({ factor, trainable, lrMultiplier }) => [factor, trainable, lrMultiplier]);
  const plus = graphsOf(['lora-plus'], LORA);
  expect(learning(plus)).toEqual(learning(graphsOf([], LORA_PLUS)));
  const frozen = graphsOf(['lora-fa'], LORA);
  expect(learning(frozen)).toEqual(learning(graphsOf([], LORA_FA)));
  expect(() => emitted({ groups: ['lora-plus'] }, LOTR)).toThrow(
    /LOTR5008.*no adapter has trained factors A and B of the form ir,ro->io/s,
  );
  expect(() => emitted({ groups: ['lora-plus'] }, LORA_PLUS)).not.toThrow();
});

test('logs have the resulting rate of every group that does not learn at that of the run', () => {
  const groups = ['A$:lr=2x,schedule=constant', '/B$:lr=4x', 'head.weight:lr=0.05,schedule=constant'];
  const rates = ({ signature }: ReturnType<typeof emitted>) =>
    Object.fromEntries(ratesByPattern(signature, ratesAt(signature, SCHEDULE, 6)));
  const { lr } = ratesAt({}, SCHEDULE, 6);
  expect(lr).toBeLessThan(SCHEDULE.peak);
  expect(rates(emitted({ groups: [...groups, 'head.bias:weight-decay=0'] }))).toEqual({
    A$: 2 * SCHEDULE.peak,
    'head.weight': 0.05,
    '/B$': 4 * lr,
  });
  expect(rates(emitted({ groups: ['lora-plus'] }))).toEqual({ 'lora-plus': 16 * lr });
});

test('a signature with rates that do not exist is refused (LOTR8201)', () => {
  const { folder } = emitted({ groups: GROUPS });
  const file = join(folder, 'signature.json');
  const text = readFileSync(file, 'utf8');
  for (const [from, to] of [
    ['"rate": 2', '"rate": 3'],
    ['"lr": 0.003', '"lr": -1'],
    ['"schedule": "cosine"', '"schedule": "sine"'],
  ] as const) {
    expect(text).toContain(from);
    writeFileSync(file, text.replaceAll(from, to));
    expect(() => TrainingRun.open(folder, { inProcess: true })).toThrow(/LOTR8201/);
  }
});
