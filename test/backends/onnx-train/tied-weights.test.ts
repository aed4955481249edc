import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type Emitted, emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS, type TrainOptions } from '../../../src/backends/onnx-train/options.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { readSafetensors } from '../../../src/ir/files/safetensors.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { toF32, toIntegers } from '../../../src/ir/values.js';
import { copiesOf } from '../../../src/passes/sites/weight-identity.js';
import { apply, merge, rewrite } from '../../../src/rewrite.js';
import { noise, relativeError, runOrt, type Tensor } from '../../support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-tied-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const [WTE, HEAD] = ['m.transformer.wte.weight', 'onnx::MatMul_591'];
const fixture = readSafetensors('test/data/full-weights/tied.safetensors').tensors;
const path = join(scratch, 'model.lotr.onnx');
{
  const model = readModel('test/data/cases/train/tied.ts.onnx');
  rewrite(model, { rank: 3, targets: ['c_attn'] });
  writeModel(model, path);
}

function emitted(options: Partial<TrainOptions>): Emitted & { folder: string } {
  const folder = mkdtempSync(join(scratch, 'run-'));
  const all = { ...TRAIN_DEFAULTS, shift: true, maxNorm: null, ...options };
  return { ...emitTraining({ open: () => readModel(path), folder, options: all }), folder };
}

/** Loss and gradients of grad.onnx by parameter, on the rows of the fixture. */
async function gradients({ folder, signature }: ReturnType<typeof emitted>): Promise<Map<string, Tensor>> {
  const state = readSafetensors(join(folder, 'state.safetensors')).tensors;
  const ids = toIntegers(fixture.get('input_ids')!);
  const shape = fixture.get('input_ids')!.shape;
  const batch: Record<string, readonly number[]> = { input_ids: ids, attention_mask: ids.map(() => 1) };
  const { grad } = signature.graphs;
  const feeds = Object.fromEntries(
    grad!.inputs.map((port): [string, Tensor] => [
      port.name,
      port.role === 'batch'
        ? { dtype: 'int64', shape, data: BigInt64Array.from(batch[port.name]!, BigInt) }
        : port.role === 'label'
          ? { dtype: 'int32', shape, data: Int32Array.from(ids) }
          : { dtype: 'float32', shape: port.shape as number[], data: toF32(state.get(port.param!)!) },
    ]),
  );
  const results = await runOrt(join(folder, grad!.file), feeds);
  return new Map(grad!.outputs.map(({ name, param, role }) => [param ?? role, results[name]!]));
}

test.each(['wte', 'lm_head\\.weight', 'wte|MatMul_591'])(
  "--also-train %s: the embedding and the head are one parameter with PyTorch's gradient",
  async (pattern) => {
    const run = emitted({ alsoTrain: [pattern, 'h\\.1.*c_fc\\.bias'] });
    const own = run.signature.params.filter(({ group }) => group === null);
    const name = pattern.includes('wte') ? WTE : HEAD;
    expect(own.map((row) => row.name).sort()).toEqual(['m.transformer.h.1.mlp.c_fc.bias', name].sort());
    expect(run.notes.map(({ code }) => code)).toContain('LOTR5041');
    const found = await gradients(run);
    expect(Number(found.get('loss')!.data[0])).toBeCloseTo(toF32(fixture.get('loss')!)[0]!, 5);
    const wte = toF32(fixture.get('wte')!);
    // one by the name of the head is stored as the head is: transposed
    const expected =
      name === WTE ? wte : Float32Array.from(wte, (_, i) => wte[(i % 64) * 32 + Math.floor(i / 64)]!);
    expect(relativeError(found.get(name)!.data, expected)).toBeLessThan(2e-6);
    const bias = found.get('m.transformer.h.1.mlp.c_fc.bias')!.data;
    expect(relativeError(bias, toF32(fixture.get('bias')!))).toBeLessThan(2e-6);
  },
);

test('--tie initializer trains them apart, and their gradients add up to that of the tied weight', async () => {
  const run = emitted({ alsoTrain: ['wte|MatMul_591'], tie: 'initializer' });
  expect(run.notes.map(({ code }) => code)).not.toContain('LOTR5041');
  const found = await gradients(run);
  const [wte, head] = [found.get(WTE)!.data, found.get(HEAD)!.data];
  const sum = Float32Array.from(
    wte as Float32Array,
    (v, i) => v + Number(head[(i % 32) * 64 + Math.floor(i / 32)]),
  );
  expect(relativeError(sum, toF32(fixture.get('wte')!))).toBeLessThan(2e-6);
  expect(relativeError(wte, toF32(fixture.get('wte')!))).toBeGreaterThan(0.1);
});

test('a multiplier is known by any name of a tied weight; two that differ are refused (LOTR5008)', () => {
  const { signature } = emitted({ alsoTrain: ['wte'], lrMultipliers: { [HEAD]: 0.25 } });
  expect(signature.params.find(({ name }) => name === WTE)!.lrMultiplier).toBe(0.25);
  expect(() => emitted({ alsoTrain: ['wte'], lrMultipliers: { [HEAD]: 0.25, [WTE]: 2 } })).toThrow(
    /LOTR5008/,
  );
});

test('constants of lotrc are neither trained nor offered (LOTR5005)', () => {
  for (const pattern of ['scale', 'lotr', 'scale_1']) {
    let error: unknown;
    try {
      emitted({ alsoTrain: [pattern] });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(LotrcError);
    const [diagnostic] = (error as LotrcError).diagnostics;
    expect(diagnostic!.code).toBe('LOTR5005');
    expect(diagnostic!.hint).not.toContain('lotr/');
  }
});

test('copies are found in the same shape and transposed; constants, other values and other shapes are none', () => {
  const data = f32Tensor([4, 6], noise(24, 3));
  const values = toF32(data);
  const turned = Float32Array.from(values, (_, i) => values[(i % 4) * 6 + Math.floor(i / 4)]!);
  const near = Float32Array.from(values, (value, i) => (i === 23 ? value + 1e-6 : value));
  const others = {
    same: f32Tensor([4, 6], values),
    transposed: f32Tensor([6, 4], turned),
    reshaped: f32Tensor([6, 4], values),
    near: f32Tensor([4, 6], near),
    flat: f32Tensor([24], values),
  };
  const named = Object.entries(others).map(([name, tensor]) => ({ name, data: tensor }));
  expect(copiesOf(data, named).map(({ of, transposed }) => [of.name, transposed])).toEqual([
    ['same', false],
    ['transposed', true],
  ]);
  const ones = f32Tensor([5], [1, 1, 1, 1, 1]);
  expect(copiesOf(ones, [{ data: f32Tensor([5], [1, 1, 1, 1, 1]) }])).toEqual([]);
  const bias = f32Tensor([5], noise(5, 2));
  expect(copiesOf(bias, [{ data: f32Tensor([5], noise(5, 2)) }])).toHaveLength(1);
});

/**
 * logits = tanh(x A + b1) B + b2, w; b2 is written as an Identity of b1 as TorchScript does with parameters of equal content.
 * `values`: of b1.
 */
function folded(values: ArrayLike<number>): { base: string; model: string } {
  const graph = new Graph('net');
  const x = graph.addInput('x', tensorType('f32', ['batch', 4]));
  const [a, b] = [4 * 5, 5 * 5].map((count, k) => f32Tensor([k === 0 ? 4 : 5, 5], noise(count, 3 + k)));
  const w1 = graph.addInitializer('hidden.weight', a!);
  const w2 = graph.addInitializer('head.weight', b!);
  const b1 = graph.addInitializer('hidden.bias', f32Tensor([5], values));
  const op = (name: string, ...inputs: Parameters<typeof graph.append>[0]['inputs']) =>
    graph.append({ op: name.split('/').at(-1)!, name: `/${name}`, inputs, outputs: [`${name}_out`] })
      .outputs[0]!;
  const b2 = op('head/Identity', b1);
  b2.rename('head.bias');
  const logits = op('head/Gemm', op('Tanh', op('hidden/Gemm', x, w1, b1)), w2, b2);
  logits.rename('logits');
  logits.setType(tensorType('f32', ['batch', 5]));
  graph.addOutput(logits);
  const net = new Model(graph);
  net.irVersion = 8;
  net.setOpset('', 17);
  const folder = mkdtempSync(join(scratch, 'folded-'));
  const [base, model] = [join(folder, 'base.onnx'), join(folder, 'base.lotr.onnx')];
  writeModel(net, base);
  rewrite(net, { rank: 2, targets: ['hidden'] });
  writeModel(net, model);
  return { base, model };
}

test.each([
  ['head\\.bias', 'head.bias'],
  ['hidden\\.bias', 'hidden.bias'],
])(
  '--also-train %s of parameters that an exporter folded because both are zero: the other one stays',
  async (pattern, name) => {
    const { base, model } = folded(new Float32Array(5));
    const folder = mkdtempSync(join(scratch, 'run-'));
    const options = { ...TRAIN_DEFAULTS, maxNorm: null, alsoTrain: [pattern] };
    const { weights } = emitTraining({ open: () => readModel(model), folder, options });
    expect(weights.map((row) => row.places.map(({ tensor }) => tensor))).toEqual([[name]]);
    const { tensors, metadata } = readSafetensors(join(folder, 'state.safetensors'));
    const trained = noise(5, 8);
    const held = new Map([...tensors].filter(([key]) => !/\/[mv]$/.test(key)));
    held.set(name, f32Tensor([5], trained));
    const x: Tensor = { dtype: 'float32', shape: [3, 4], data: noise(12, 9) };
    const params = Object.fromEntries(
      [...held].map(([key, data]): [string, Tensor] => [
        key,
        { dtype: 'float32', shape: data.shape, data: toF32(data) },
      ]),
    );
    const { logits } = await runOrt(join(folder, 'infer.onnx'), { ...params, x });
    const applied = readModel(base);
    apply(applied, { tensors: held, metadata });
    const merged = readModel(model);
    merge(merged, { tensors: held, metadata });
    for (const [file, changed] of [
      ['applied.onnx', applied],
      ['merged.onnx', merged],
    ] as const) {
      writeModel(changed, join(folder, file));
      expect(
        relativeError((await runOrt(join(folder, file), { x })).logits!.data, logits!.data as Float32Array),
      ).toBeLessThan(1e-6);
    }
    // by hand: the adapter is zero, and one bias alone is not
    const [w1, w2] = [noise(20, 3), noise(25, 4)];
    const [b1, b2] = name === 'head.bias' ? [new Float32Array(5), trained] : [trained, new Float32Array(5)];
    const expected = Float64Array.from({ length: 15 }, (_, at) => {
      const [row, column] = [Math.floor(at / 5), at % 5];
      const hidden = Array.from({ length: 5 }, (__, j) =>
        Math.tanh(
          [0, 1, 2, 3].reduce((sum, i) => sum + (x.data[row * 4 + i] as number) * w1[i * 5 + j]!, b1![j]!),
        ),
      );
      return hidden.reduce((sum, h, j) => sum + h * w2[j * 5 + column]!, b2![column]!);
    });
    expect(relativeError(logits!.data, expected)).toBeLessThan(1e-6);
  },
);

test('a parameter that was folded because it is tied is found by its own name, and is one with the other', () => {
  const { model } = folded(noise(5, 6));
  const folder = mkdtempSync(join(scratch, 'run-'));
  const options = { ...TRAIN_DEFAULTS, alsoTrain: ['head\\.bias'] };
  const { signature } = emitTraining({ open: () => readModel(model), folder, options });
  expect(signature.params.filter(({ group }) => group === null).map(({ name }) => name)).toEqual([
    'hidden.bias',
  ]);
});
