import { describe, expect, test } from 'vitest';
import { effectiveScale } from '../../../src/adapter/description.js';
import { factorNames } from '../../../src/adapter/plan-factors.js';
import type { Model } from '../../../src/ir/model.js';
import { readModelBytes } from '../../../src/ir/onnx/reader.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { f32Tensor, type TensorData } from '../../../src/ir/tensor.js';
import { printModel } from '../../../src/ir/text/index.js';
import { toF32 } from '../../../src/ir/values.js';
import { verify } from '../../../src/ir/verify.js';
import { insertAdapters } from '../../../src/passes/adapters/insert.js';
import { lowerAdapters } from '../../../src/passes/adapters/lower.js';
import { mergeAdapters } from '../../../src/passes/adapters/merge.js';
import { shareFactors } from '../../../src/passes/adapters/share-factors.js';
import { stripAdapters } from '../../../src/passes/adapters/strip.js';
import { toFunctions } from '../../../src/passes/adapters/to-functions.js';
import { requirePlan } from '../../../src/passes/plan/plan.js';
import { expected, type LayerForm, layerModel, planned } from '../../support/layers.js';
import { noise, relativeError, runOrt, type Tensor } from '../../support/ort.js';

const forms: readonly (readonly [string, LayerForm])[] = [
  ['MatMul, x of rank 1', { batch: [] }],
  ['MatMul, x of rank 2', { batch: [3] }],
  ['MatMul, x of rank 3', { batch: [2, 3] }],
  ['MatMul, x of rank 4', { batch: [1, 2, 3] }],
  ['MatMul, weight in a Constant node', { storage: 'constant' }],
  ['MatMul, weight stored transposed', { transposed: true }],
  ['MatMul, weight in a Constant node, transposed', { storage: 'constant', transposed: true, batch: [2, 3] }],
  ['MatMul, weight behind an Identity', { identity: true }],
  ['Gemm', { op: 'Gemm' }],
  ['Gemm without attributes, with bias', { op: 'Gemm', bias: true }],
  ['Gemm, transB', { op: 'Gemm', transB: true, bias: true }],
  ['Gemm, alpha and beta', { op: 'Gemm', alpha: 0.75, beta: -1.5, bias: true }],
  ['Gemm, alpha, beta, transB', { op: 'Gemm', alpha: -2.5, beta: 0.5, transB: true, bias: true }],
  ['Gemm, transB over a Transpose', { op: 'Gemm', transB: true, transposed: true, alpha: 3, bias: true }],
  ['Gemm, weight in a Constant node', { op: 'Gemm', storage: 'constant', transB: true }],
  ['FusedMatMul', { op: 'FusedMatMul', batch: [2, 3] }],
  ['FusedMatMul, alpha, transB', { op: 'FusedMatMul', alpha: -1.75, transB: true, batch: [2, 3] }],
  ['FusedMatMul, transB over a Transpose', { op: 'FusedMatMul', transB: true, transposed: true }],
  ['MatMul in float64', { dtype: 'f64' }],
  ['Gemm in float64, transB', { op: 'Gemm', dtype: 'f64', transB: true, alpha: 0.5 }],
  ['wide', { in: 3, out: 11 }],
  ['operator set 7, IR version 3', { opset: 7, irVersion: 3 }],
  ['operator set 7, IR version 3, Gemm', { op: 'Gemm', bias: true, opset: 7, irVersion: 3 }],
  ['operator set 13, IR version 3', { opset: 13, irVersion: 3, transposed: true }],
];

const SCALE = 3;

function adapt(form: LayerForm, kind: 'fold' | 'token' | 'function', given?: Map<string, TensorData>) {
  const model = layerModel(form);
  const factors = planned(model, { rank: 2, scalePatterns: [['.*', SCALE]] });
  insertAdapters(model, given ?? factors);
  if (kind === 'function') toFunctions(model);
  else {
    lowerAdapters(model, kind);
    shareFactors(model);
  }
  return { model, factors };
}

function feed(form: LayerForm): Tensor {
  const shape = [...(form.batch ?? [3]), form.in ?? 7];
  const data = noise(
    shape.reduce((a, b) => a * b, 1),
    5,
  );
  return form.dtype === 'f64'
    ? { dtype: 'float64', shape, data: Float64Array.from(data) }
    : { dtype: 'float32', shape, data };
}

function formula(form: LayerForm, model: Model, factors: ReadonlyMap<string, TensorData>): Float64Array {
  const [row] = requirePlan(model, 'test').plans;
  const names = factorNames(row!, row!.sites[0]!);
  const base = layerModel(form);
  const constant = base.graph.own('W')!.producer?.attrs.get('value');
  const weight = constant?.kind === 'tensor' ? constant.value : base.graph.own('W')!.constant!;
  return expected(
    form,
    Float64Array.from(feed(form).data as Float32Array),
    weight,
    base.graph.own('B')?.constant ?? null,
    names.map((name) => factors.get(name)!),
    effectiveScale(row!.spec, 2),
  );
}

async function run(model: Model, form: LayerForm): Promise<Tensor> {
  expect(verify(model).filter(({ severity }) => severity === 'error')).toEqual([]);
  const result = await runOrt(encodeModel(model), { x: feed(form) }, { level: 'disabled' });
  return result.y!;
}

describe.each(forms)('%s', (_name, form) => {
  const kinds = [
    'fold',
    'token',
    ...((form.opset ?? 17) >= 12 && form.dtype !== 'f64' ? ['function'] : []),
  ] as ('fold' | 'token' | 'function')[];

  test.each(kinds)('%s computes the formula', async (kind) => {
    const { model, factors } = adapt(form, kind);
    const result = await run(model, form);
    expect(relativeError(result.data, formula(form, model, factors))).toBeLessThan(1e-6);
  });

  test.each(kinds)('%s with a core of zero gives the bits of the base', async (kind) => {
    const { factors } = adapt(form, kind);
    const zeroed = new Map(
      [...factors].map(([name, data]) =>
        name.endsWith('/M') ? [name, f32Tensor(data.shape, new Float32Array(4))] : [name, data],
      ) as [string, TensorData][],
    );
    const { model } = adapt(form, kind, zeroed);
    expect((await run(model, form)).data).toEqual((await run(layerModel(form), form)).data);
  });

  test.each(kinds)('%s, written, read and merged, computes the formula', async (kind) => {
    const { model, factors } = adapt(form, kind);
    const wanted = formula(form, model, factors);
    const again = readModelBytes(encodeModel(model));
    mergeAdapters(again);
    expect(relativeError((await run(again, form)).data, wanted)).toBeLessThan(1e-6);
    // nothing of the adapter is left, and the layer is what it was
    expect([...again.graph.initializers.keys()].filter((name) => name.startsWith('lotr'))).toEqual([]);
    const layer = [...again.everyNode()].find(({ name }) => name === 'layer')!;
    expect([layer.op, layer.docString, [...layer.metadata]]).toEqual([
      form.op ?? 'MatMul',
      'a layer',
      [['made.by', 'hand']],
    ]);
    expect([...again.graph.nodes].map(({ op }) => op)).toEqual(
      [...layerModel(form).graph.nodes].map(({ op }) => op),
    );
  });

  test.each(kinds)('%s, written, read and stripped, is the base', (kind) => {
    const { model } = adapt(form, kind);
    const again = readModelBytes(encodeModel(model));
    stripAdapters(again);
    const base = readModelBytes(encodeModel(layerModel(form)));
    if (kind === 'function') {
      again.setIrVersion(base.irVersion);
      // leaving IR version 3, initializers stop being inputs: as such a caller could now replace them
      for (const input of [...base.graph.inputs]) if (input.constant) base.graph.concealInput(input);
    }
    expect(printModel(again, { locations: false })).toBe(printModel(base, { locations: false }));
  });
});

test('float64 factors stay float32 in the file', () => {
  const { model, factors } = adapt({ dtype: 'f64' }, 'fold');
  for (const [name, data] of factors) {
    expect([...toF32(model.graph.own(name)!.constant!)]).toEqual([...toF32(data)]);
  }
});
