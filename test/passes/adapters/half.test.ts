import { describe, expect, test } from 'vitest';
import { effectiveScale } from '../../../src/adapter/description.js';
import { factorNames } from '../../../src/adapter/plan-factors.js';
import { readModelBytes } from '../../../src/ir/onnx/reader.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { MemoryTensor, type TensorData } from '../../../src/ir/tensor.js';
import { encodeFloats, toF64 } from '../../../src/ir/values.js';
import { insertAdapters } from '../../../src/passes/adapters/insert.js';
import { lowerAdapters } from '../../../src/passes/adapters/lower.js';
import { mergeAdapters } from '../../../src/passes/adapters/merge.js';
import { toFunctions } from '../../../src/passes/adapters/to-functions.js';
import { requirePlan } from '../../../src/passes/plan/plan.js';
import { type LayerForm, layerModel, matrix, planned, times, turn } from '../../support/layers.js';
import { noise, relativeError, runOrt, type Tensor } from '../../support/ort.js';

/** Layers whose weight or arithmetic is not float32. */
const forms: readonly (readonly [string, LayerForm])[] = [
  ['f16', { dtype: 'f16' }],
  ['f16 Gemm', { op: 'Gemm', dtype: 'f16', transB: true, alpha: 2 }],
  ['f32 over a weight stored in f16', { stored: 'f16' }],
  ['f32 over a weight stored in bf16, transposed', { stored: 'bf16', transposed: true }],
  ['f16 over a weight stored in f32', { dtype: 'f16', stored: 'f32' }],
  ['f64', { dtype: 'f64' }],
];

const KINDS = ['fold', 'token', 'function'] as const;

function adapt(form: LayerForm, kind: (typeof KINDS)[number]) {
  const model = layerModel(form);
  const factors = planned(model, { scalePatterns: [['.*', 3]] });
  insertAdapters(model, factors);
  if (kind === 'function') toFunctions(model);
  else lowerAdapters(model, kind);
  const [row] = requirePlan(model, 'test').plans;
  const ordered = factorNames(row!, row!.sites[0]!).map((name) => factors.get(name)!);
  return { model, factors: ordered, scale: effectiveScale(row!.spec, 2) };
}

const values = noise(21, 5);

function feed(dtype = 'f32'): Tensor {
  const shape = [3, 7];
  if (dtype === 'f32') return { dtype: 'float32', shape, data: values };
  if (dtype === 'f64') return { dtype: 'float64', shape, data: Float64Array.from(values) };
  return { dtype: 'float16', shape, data: new Uint16Array(encodeFloats('f16', values).buffer) };
}

function read({ dtype, shape, data }: Tensor): Float64Array {
  if (dtype !== 'float16') return Float64Array.from(data as ArrayLike<number>);
  const held = new Uint16Array(data as unknown as Uint16Array);
  const bytes = new Uint8Array(held.buffer);
  return toF64(new MemoryTensor('f16', shape, bytes));
}

function weightOf(form: LayerForm): TensorData {
  return layerModel(form).graph.own('W')!.constant!;
}

describe.each(forms)('%s', (_name, form) => {
  const tolerance = form.dtype === 'f16' ? 2e-3 : 1e-6;
  const flipped = (form.transB ?? false) !== (form.transposed ?? false);

  test.each(KINDS)('%s computes the formula', async (kind) => {
    const { model, factors, scale } = adapt(form, kind);
    const result = await runOrt(encodeModel(model), { x: feed(form.dtype) }, { level: 'disabled' });
    const w = matrix(weightOf(form));
    const x = { rows: 3, columns: 7, data: Float64Array.from(values) };
    const base = times(x, flipped ? turn(w) : w).data;
    const delta = factors.map(matrix).reduce(times, x).data;
    const wanted = base.map((v, k) => (form.alpha ?? 1) * v + scale * delta[k]!);
    expect(relativeError(read(result.y!), wanted)).toBeLessThan(tolerance);
  });

  test.each(KINDS)('%s: the merged weight is W + (s / alpha) D rounded once', (kind) => {
    const { model, factors, scale } = adapt(form, kind);
    const again = readModelBytes(encodeModel(model));
    mergeAdapters(again);
    const merged = readModelBytes(encodeModel(again)).graph.own('W')!.constant!;
    const w = weightOf(form);
    expect([merged.dtype, merged.shape]).toEqual([w.dtype, w.shape]);
    // the products in the order of merging: from the right
    const delta = factors.map(matrix).reduceRight((right, left) => times(left, right));
    const change = (flipped ? turn(delta) : delta).data;
    const wanted = toF64(w).map((v, k) => v + (scale / (form.alpha ?? 1)) * change[k]!);
    expect([...merged.bytes()]).toEqual([...encodeFloats(w.dtype, wanted)]);
  });
});
