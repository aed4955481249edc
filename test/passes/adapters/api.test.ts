import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { PLAN_KEY } from '../../../src/adapter/saved-plan.js';
import { parseInit } from '../../../src/init/index.js';
import { readSafetensors, writeSafetensors } from '../../../src/ir/files/safetensors.js';
import type { Model } from '../../../src/ir/model.js';
import { readModelBytes } from '../../../src/ir/onnx/reader.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { f32Tensor, type TensorData } from '../../../src/ir/tensor.js';
import { printModel } from '../../../src/ir/text/index.js';
import { toF32 } from '../../../src/ir/values.js';
import { planOfAdapter } from '../../../src/passes/adapters/adapter-file.js';
import { parsePipeline, runPipeline } from '../../../src/passes/pipeline.js';
import { ALL_PASSES } from '../../../src/passes/registry.js';
import {
  type Adapter,
  apply,
  extract,
  merge,
  type RewriteOptions,
  rewrite,
  strip,
} from '../../../src/rewrite.js';
import { floats, layerModel } from '../../support/layers.js';
import { f32, maxDifference, noise, relativeError, runOrt, type Tensor } from '../../support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-api-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const x = f32([3, 7], 5);
const run = async (model: Model, feeds: Record<string, Tensor> = {}): Promise<Tensor> =>
  (await runOrt(encodeModel(model), { x, ...feeds }, { level: 'disabled' })).y!;
const reread = (model: Model): Model => readModelBytes(encodeModel(model));
const text = (model: Model): string => printModel(reread(model), { locations: false });

const OPTIONS: RewriteOptions = { rank: 2, targets: ['.*'], spec: { ...LOTR, scale: 3 } };

/** The adapter with every factor different from zero. */
function trained({ tensors, metadata }: Adapter): Adapter {
  const entries = [...tensors].map(([name, data], k): [string, TensorData] => [
    name,
    f32Tensor(data.shape, noise(data.byteLength / 4, k + 9)),
  ]);
  return { tensors: new Map(entries), metadata };
}

test('the pipeline of a rewrite parses and does the same', () => {
  const model = layerModel();
  const { pipeline } = rewrite(model, { ...OPTIONS, seed: 7, lowering: 'token', carry: 'inputs' });
  const again = layerModel();
  runPipeline(parsePipeline(pipeline, ALL_PASSES), again);
  expect(text(again)).toBe(text(model));
});

test('a rewrite gives equal bytes twice, and other factors with another seed', () => {
  const make = (seed: number) => {
    const model = layerModel();
    rewrite(model, { ...OPTIONS, seed });
    return Buffer.from(encodeModel(model));
  };
  expect(make(1).equals(make(1))).toBe(true);
  expect(make(1).equals(make(2))).toBe(false);
});

describe.each(['fold', 'token', 'function'] as const)('%s', (lowering) => {
  describe.each(['embedded', 'inputs', 'optional'] as const)('%s', (carry) => {
    const options = { ...OPTIONS, lowering, carry };

    test('extracted, stored, and applied to the base, an adapter gives the rewritten model', () => {
      const model = layerModel();
      const { adapter } = rewrite(model, options);
      const path = join(scratch, `${lowering}.${carry}.safetensors`);
      const out = extract(reread(model), carry === 'embedded' ? undefined : adapter);
      writeSafetensors(path, out.tensors, out.metadata);
      const base = layerModel();
      apply(base, readSafetensors(path), { lowering, carry });
      expect(text(base)).toBe(text(model));
    });

    test('merged with an adapter file, the model computes with its factors', async () => {
      const model = layerModel();
      const file = trained(rewrite(model, options).adapter);
      const wanted = layerModel();
      apply(wanted, file);
      const merged = reread(model);
      merge(merged, file);
      expect(relativeError((await run(merged)).data, (await run(wanted)).data)).toBeLessThan(1e-6);
      expect(merged.metadata.has('lotrc.merged')).toBe(true);
      expect(merged.metadata.has(PLAN_KEY)).toBe(false);
    });

    test('applied without a word on the form, an adapter counts in plain ONNX', async () => {
      const file = trained(rewrite(layerModel(), options).adapter);
      const plain = trained(rewrite(layerModel(), OPTIONS).adapter);
      const [found, wanted] = [layerModel(), layerModel()];
      const { plans } = apply(found, file);
      expect(plans.map((row) => [row.carry, row.lowering])).toEqual([['embedded', 'fold']]);
      apply(wanted, plain);
      expect(text(found)).toBe(text(wanted));
      expect(maxDifference(await run(found), await run(layerModel()))).toBeGreaterThan(0.1);
    });

    test('stripped and rewritten again with --replace at another rank', () => {
      const model = reread(rewritten(options));
      rewrite(model, { ...options, rank: 3, replace: true });
      expect(text(model)).toBe(text(rewritten({ ...options, rank: 3 }, model.irVersion)));
    });
  });
});

function rewritten(options: RewriteOptions, irVersion = 8): Model {
  const model = layerModel({ irVersion });
  rewrite(model, options);
  return model;
}

test('stripping a rewritten model gives the base', () => {
  const model = rewritten(OPTIONS);
  strip(model);
  expect(text(model)).toBe(text(layerModel()));
});

test('an adapter of another scale or method counts with its own plan', async () => {
  for (const spec of [{ ...LOTR, scale: 12 }, LORA]) {
    const file = trained(rewrite(layerModel(), { ...OPTIONS, spec }).adapter);
    const wanted = layerModel();
    apply(wanted, file);
    const merged = rewritten(OPTIONS);
    merge(merged, file);
    expect(relativeError((await run(merged)).data, (await run(wanted)).data)).toBeLessThan(1e-6);
  }
});

test('an adapter is exchanged on a model that carries its plan', async () => {
  const model = rewritten(OPTIONS);
  const before = await run(model);
  const file = trained(extract(model));
  apply(model, file);
  expect(maxDifference(await run(model), before)).toBeGreaterThan(0.1);
  for (const [name, data] of file.tensors)
    expect([...toF32(extract(model).tensors.get(name)!)]).toEqual([...toF32(data)]);
});

test('an adapter over weights that its init replaced is exchanged in place', async () => {
  const svd = { ...OPTIONS, spec: parseInit('svd', LOTR) };
  const model = rewritten(svd);
  expect(() => strip(reread(model))).toThrow(/LOTR3210/);
  const file = trained(extract(model));
  const carried = rewritten({ ...svd, carry: 'inputs' });
  apply(model, file);
  apply(carried, file);
  expect((await run(carried)).data).toEqual((await run(model)).data);
  expect([...toF32(extract(carried).tensors.get('lotr/7x5/R')!)]).toEqual([
    ...toF32(file.tensors.get('lotr/7x5/R')!),
  ]);
});

describe('refusals', () => {
  const file = trained(rewrite(layerModel(), OPTIONS).adapter);

  test.each([
    ['another weight', () => setWeight(layerModel(), floats('f32', [7, 5], 99)), /LOTR3301.*not the one/],
    ['another op', () => layerModel({ op: 'Gemm' }), /LOTR3301.*comes from Gemm/],
    ['no such layer', () => renamed(layerModel()), /LOTR3301.*no node delivers "y"/],
    ['a value of that name', () => named(layerModel(), 'lotr/7x5/R'), /LOTR3304/],
    ['other adapters', () => rewritten({ ...OPTIONS, rank: 1 }), /LOTR3302/],
    ['operator set 6', () => layerModel({ opset: 6 }), /LOTR3204/],
  ] as [string, () => Model, RegExp][])('apply on a model with %s', (_name, make, message) => {
    const model = make();
    expect(() => apply(model, file)).toThrow(message);
  });

  test('a second rewrite', () => {
    expect(() => rewrite(rewritten(OPTIONS), OPTIONS)).toThrow(/LOTR3302/);
  });

  test('a file without a plan, with a damaged one, or with a factor missing or of another shape', () => {
    expect(() => planOfAdapter({ ...file, metadata: {} }, 'a.safetensors')).toThrow(/LOTR3303/);
    expect(() => planOfAdapter({ ...file, metadata: { [PLAN_KEY]: '{' } }, 'a')).toThrow(/LOTR3202/);
    const less = new Map([...file.tensors].slice(1));
    expect(() => apply(layerModel(), { ...file, tensors: less })).toThrow(/LOTR3207.*lotr\/7x5\/R/);
    const other = new Map([...file.tensors, ['lotr/7x5/R', f32Tensor([5, 2], noise(10))]]);
    expect(() => apply(layerModel(), { ...file, tensors: other })).toThrow(/LOTR3208/);
  });

  test('merging with a file of strange names', () => {
    const strange = { tensors: new Map([['a', f32Tensor([1], [1])]]), metadata: {} };
    expect(() => merge(rewritten(OPTIONS), strange)).toThrow(/LOTR3207/);
  });

  test('merging a merged model', () => {
    const model = rewritten(OPTIONS);
    merge(model);
    expect(() => merge(model)).toThrow(/LOTR3201/);
  });
});

function setWeight(model: Model, data: TensorData): Model {
  model.graph.own('W')!.setConstant(data);
  return model;
}

function renamed(model: Model): Model {
  model.graph.own('y')!.rename('z');
  return model;
}

function named(model: Model, name: string): Model {
  model.graph.addInitializer(name, f32Tensor([1], [1]));
  return model;
}
