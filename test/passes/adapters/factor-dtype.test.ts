import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { planFactors } from '../../../src/adapter/plan-factors.js';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../../src/backends/onnx-train/options.js';
import type { DType } from '../../../src/ir/dtype.js';
import { Graph, Model, type Value } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { encodeModel, writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor, MemoryTensor } from '../../../src/ir/tensor.js';
import { encodeFloats, toF64 } from '../../../src/ir/values.js';
import { narrowedFactor, widenedFactor } from '../../../src/passes/adapters/factor-dtype.js';
import { requirePlan } from '../../../src/passes/plan/plan.js';
import { apply, extract, merge, type RewriteOptions, rewrite, strip } from '../../../src/rewrite.js';
import { noise, runOrt } from '../../support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-factor-dtype-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const [ROWS, WIDTH, OUT, RANK] = [3, 11, 5, 2] as const;

function make(dtypes: readonly [DType, DType] = ['f16', 'f16']): Model {
  const graph = new Graph('half');
  let x: Value = graph.addInput('x', tensorType('f16', ['rows', WIDTH]));
  for (const [k, out] of [WIDTH, OUT].entries()) {
    const dtype = dtypes[k]!;
    const w = new MemoryTensor(dtype, [WIDTH, out], encodeFloats(dtype, noise(WIDTH * out, k + 3)));
    const weight = graph.addInitializer(`l${k}.weight`, w);
    x = graph.append({ op: 'MatMul', name: `/l${k}/MatMul`, inputs: [x, weight], outputs: [`y${k}`] })
      .outputs[0]!;
  }
  x.setType(tensorType('f16', ['rows', OUT]));
  graph.addOutput(x);
  const model = new Model(graph);
  model.irVersion = 9;
  model.setOpset('', 17);
  return model;
}

/** Rewritten, with noise for the factors, which half precision rounds. */
function adapted(options: Partial<RewriteOptions>): Model {
  const model = make();
  const { adapter } = rewrite(model, { rank: RANK, targets: ['l0', 'l1'], ...options });
  const tensors = new Map(
    [...adapter.tensors].map(([name, { shape }], k) => [
      name,
      f32Tensor(shape, noise(shape[0]! * shape[1]!, k + 7)),
    ]),
  );
  apply(model, { ...adapter, tensors });
  return model;
}

const run = async (model: Model) => {
  const data = encodeFloats('f16', noise(ROWS * WIDTH, 2));
  const x = new Uint16Array(data.buffer, data.byteOffset, ROWS * WIDTH);
  return (await runOrt(encodeModel(model), { x: { dtype: 'float16', shape: [ROWS, WIDTH], data: x } })).y1!
    .data;
};

/** The same factors in float32, rounded to half precision. */
function rounded(options: Partial<RewriteOptions>): Model {
  const model = adapted(options);
  for (const { name } of planFactors(requirePlan(model, 'test').plans)) {
    const value = model.graph.own(name)!;
    value.setConstant(widenedFactor(narrowedFactor(value.constant!, 'f16')));
  }
  return model;
}

const factorsOf = (model: Model) =>
  requirePlan(model, 'test').plans.flatMap((row) =>
    planFactors([row]).map(({ name }) => model.graph.own(name)!.constant!),
  );

describe.each<[string, Partial<RewriteOptions>]>([
  ['fold', { lowering: 'fold' }],
  ['token', { lowering: 'token' }],
  ['functions', { lowering: 'function' }],
])('factors in the type of the model, written as %s', (_name, options) => {
  const half = { ...options, factorDType: 'model' as const };

  test('are stored in float16 and compute as those in float32 of the same values', async () => {
    const model = adapted(half);
    expect(factorsOf(model).map(({ dtype }) => dtype)).toEqual(['f16', 'f16', 'f16', 'f16', 'f16', 'f16']);
    const y = await run(model);
    expect(y).toEqual(await run(rounded(options)));
    // by token every factor is cast to the layer's type by itself, which rounds it as storing it did
    if (options.lowering !== 'token') expect(y).not.toEqual(await run(adapted(options)));
    expect(y).not.toEqual(await run(make()));
  });

  test('are read back, extracted in float32, merged and taken away', async () => {
    const model = adapted(half);
    const wanted = factorsOf(rounded(options)).map((data) => [...toF64(data)]);
    const adapter = extract(model);
    expect([...adapter.tensors.values()].map(({ dtype }) => dtype)).toEqual(wanted.map(() => 'f32'));
    expect([...adapter.tensors.values()].map((data) => [...toF64(data)])).toEqual(wanted);
    const again = make();
    apply(again, adapter);
    expect(await run(again)).toEqual(await run(model));
    const [merged, plain] = [adapted(half), rounded(options)];
    merge(merged);
    merge(plain);
    expect(await run(merged)).toEqual(await run(plain));
    strip(model);
    expect(Buffer.from(encodeModel(model)).equals(Buffer.from(encodeModel(make())))).toBe(true);
  });
});

test('training graphs take and give them in float32', () => {
  const path = join(scratch, 'model.onnx');
  writeModel(adapted({ factorDType: 'model' }), path);
  const folder = join(scratch, 'train');
  const { signature } = emitTraining({ open: () => readModel(path), folder, options: TRAIN_DEFAULTS });
  const params = signature.graphs.step!.inputs.filter(({ role }) => role === 'param');
  expect(params.length).toBe(6);
  expect(new Set(params.map(({ dtype }) => dtype))).toEqual(new Set(['f32']));
});

test('a float32 model has float32 factors', () => {
  const model = make(['f32', 'f32']);
  const { plan } = rewrite(model, { rank: RANK, targets: ['l0', 'l1'], factorDType: 'model' });
  expect(plan.plans[0]!.factorDType).toBeUndefined();
  expect(new Set(factorsOf(model).map(({ dtype }) => dtype))).toEqual(new Set(['f32']));
});

test.each<[string, Model, Partial<RewriteOptions>]>([
  ['layers of several types', make(['f16', 'f32']), {}],
  ['factors that are inputs', make(), { carry: 'inputs' }],
])('%s are refused (LOTR3007)', (_name, model, options) => {
  const attempt = () =>
    rewrite(model, { rank: RANK, targets: ['l0', 'l1'], factorDType: 'model', ...options });
  expect(attempt).toThrow('LOTR3007');
});
