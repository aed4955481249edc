import { describe, expect, test } from 'vitest';
import { emitTraining } from '../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../src/backends/onnx-train/options.js';
import { compareModels } from '../../src/backends/ort/compare.js';
import { parseModel } from '../../src/ir/text/index.js';
import { defaultsOf } from '../../src/options/define.js';
import { apply, rewrite } from '../../src/rewrite.js';
import { FIELDS } from '../../src/train/data/fields.js';
import { TRAIN } from '../../src/train/option-set.js';
import { type TrainEvents, type TrainRequest, train } from '../../src/train/train.js';

/** Functions refuse what the command line refuses, by the same declarations, before they do anything. */

const model = () =>
  parseModel(
    `<ir_version: 8, opset_import: ["" : 18]>
agraph (float[N, 4] x) => (float[N, 4] y) <float[4, 4] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7}>
{ y = MatMul(x, w) }`,
    'model.onnxtxt',
  );
const says = (message: string) =>
  expect.objectContaining({
    diagnostics: [expect.objectContaining({ code: 'LOTR8015', message: `option ${message}` })],
  }) as Error;
const other = <T>(value: unknown) => value as T;

test.each([
  [{ seed: -1 }, '"seed" takes a whole number, not -1'],
  [{ seed: 0.5 }, '"seed" takes a whole number, not 0.5'],
  [{ carry: 'x' }, '"carry" takes embedded, inputs, optional, not "x"'],
  [{ factorDType: 'f16' }, '"factorDType" takes f32, model, not "f16"'],
  [{ tie: true }, '"tie" takes content, initializer, not true'],
])('rewrite %j', (options, message) => {
  expect(() => rewrite(model(), { rank: 2, ...other<object>(options) })).toThrow(says(message));
});

test('apply', () => {
  const adapter = { tensors: new Map(), metadata: {} };
  expect(() => apply(model(), adapter, { match: other('x') })).toThrow(
    says('"match" takes weights, path, not "x"'),
  );
});

test.each([
  [{ timeout: 0 }, '"timeout" takes a number above 0 and at most 86400, not 0'],
  [{ dims: new Map([['N', 0]]) }, '"dims" takes a whole number of at least 1, not 0'],
  [{ optimization: 'some' }, '"optimization" takes disabled, basic, extended, all, not "some"'],
])('compareModels %j', async (options, message) => {
  const side = { path: 'model.onnx', model: model() };
  await expect(compareModels(side, side, other(options))).rejects.toThrow(says(message));
});

describe('train', () => {
  const { maxLength, padTo, badLines, bucket, pack, lossOn, subwords, ...d } = defaultsOf(TRAIN);
  const reading = {
    ...{ maxLength, padTo, badLines, bucket, pack, lossOn, subwords, fields: FIELDS },
    ...{ tokenizer: null, task: null, quote: null, labels: null, bos: null, eos: null, decoderStart: null },
  };
  const schedule = { kind: d.schedule, peak: d.lr, floor: d.minLr, power: d.power, warmup: d.warmup };
  const plan = {
    ...{ epochs: d.epochs, accumulate: d.accumulate, seed: d.seed, best: d.best, lossScale: 1, schedule },
    ...{ checkpointEvery: d.checkpointEvery, maxSteps: null, evalEvery: null, patience: null },
    warmupSteps: null,
  };
  const request: TrainRequest = {
    ...{ folder: 'missing', output: 'missing/run', data: 'data.jsonl', evalData: null, reading, plan },
    ...{ batchSize: d.batchSize, evalSplit: 0, ep: d.ep, threads: d.threads, inputs: new Map() },
    resume: false,
  };
  test.each<[string, Partial<TrainRequest>]>([
    ['"epochs" takes a number above 0, not 0', { plan: { ...plan, epochs: 0 } }],
    ['"maxSteps" takes a whole number of at least 1, not 0.5', { plan: { ...plan, maxSteps: 0.5 } }],
    ['"lr" takes a number above 0, not NaN', { plan: { ...plan, schedule: { ...schedule, peak: NaN } } }],
    ['"maxLength" takes a whole number of at least 2, not 1', { reading: { ...reading, maxLength: 1 } }],
    ['"batchSize" takes a whole number of at least 1, not 0', { batchSize: 0 }],
    ['"evalSplit" takes a number of at least 0 and below 1, not 1', { evalSplit: 1 }],
    ['"inputs" takes NAME=VALUE with a value, not ""', { inputs: new Map([['a', '']]) }],
  ])('%s', async (message, wrong) => {
    await expect(train({ ...request, ...wrong }, {} as TrainEvents)).rejects.toThrow(says(message));
  });
  test('goes on with the defaults', async () => {
    await expect(train(request, {} as TrainEvents)).rejects.not.toThrow(/option/);
  });
});

test.each([
  [{ maxNorm: -1 }, '--max-norm'],
  [{ loop: 0 }, '--loop'],
  [{ ignoreIndex: 0.5 }, '--ignore-index'],
  [{ lrMultipliers: { M: 0 } }, '--lr-multiplier'],
  [{ recompute: 'all' }, '--recompute'],
])('emitTraining %j', (options, flag) => {
  const given = { ...TRAIN_DEFAULTS, ...other<object>(options) };
  expect(() => emitTraining({ open: model, folder: 'missing', options: given })).toThrow(
    `${flag}: the value is out of range`,
  );
});
