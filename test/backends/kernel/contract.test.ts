import { describe, expect, test } from 'vitest';
import { kernelForm } from '../../../src/adapter/kernel-form.js';
import { METHODS } from '../../../src/adapter/methods/index.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { commonLabel, contract } from '../../../src/backends/kernel/model/contract.js';
import type { AdaptedLayer, AdaptedLayers } from '../../../src/backends/kernel/model/layers.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { explainPlan } from '../../../src/backends/kernel/plan/explain.js';
import { constantData } from '../../../src/ir/constants.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { tensorType } from '../../../src/ir/shape.js';
import { parseModel } from '../../../src/ir/text/index.js';
import { rewrite } from '../../../src/rewrite.js';
import { profile } from '../../support/devices.js';
import { eightBits } from '../../support/eight-bits.js';
import { fourBits, WIDTH } from '../../support/four-bits.js';
import { layerModel } from '../../support/layers.js';
import { oracles } from '../../support/oracle.js';

/** A layer p (3 -> 2, bias b) and what follows it up to y. */
function layerWith(tail: string): AdaptedLayers & { readonly layer: AdaptedLayer } {
  const model = parseModel(`<ir_version: 9, opset_import: ["" : 20, "com.microsoft" : 1]>
g (float[batch, 3] x) => (float[batch, 2] y)
<
  float[3,2] "p.weight" = {-0.125, -1.875, -0.875, 0.5, -0.625, -1.75}, float[2] "p.bias" = {0.25, -1.5},
  float "half" = {0.5}, float "one" = {1.0}, float "two" = {2.0}, float "root" = {1.4142135}, float "rroot" = {0.70710677}
>
{
  ["/p/MatMul"] mm = MatMul (x, "p.weight")
  ${tail}
}`);
  rewrite(model, { rank: 1, targets: ['p'] });
  const contraction = contract(model);
  return { ...contraction, layer: contraction.regions[0]!.layers[0]! };
}

describe('what follows a layer', () => {
  test.each([
    ['y = Add ("p.bias", mm)', 'p.bias', null, 'y'],
    ['v = Add (mm, "p.bias") y = Relu (v)', 'p.bias', 'relu', 'y'],
    ['y = Relu (mm)', null, 'relu', 'y'],
    ['i = Identity ("p.bias") v = Add (mm, i) y = Gelu (v)', 'p.bias', 'gelu', 'y'],
    ['y = Gelu <approximate = "tanh"> (mm)', null, 'gelu-tanh', 'y'],
    ['y = com.microsoft.FastGelu (mm)', null, 'gelu-tanh', 'y'],
    ['s = Sigmoid (mm) y = Mul (s, mm)', null, 'silu', 'y'],
    ['d = Div (mm, root) e = Erf (d) a = Add (e, one) m = Mul (mm, a) y = Mul (m, half)', null, 'gelu', 'y'],
    ['h = Mul (mm, rroot) e = Erf (h) a = Add (one, e) m = Mul (half, a) y = Mul (mm, m)', null, 'gelu', 'y'],
    // near misses: another factor, another reader, an output
    ['d = Div (mm, two) e = Erf (d) a = Add (e, one) m = Mul (mm, a) y = Mul (m, half)', null, null, 'mm'],
    ['d = Div (mm, root) e = Erf (d) a = Add (e, one) m = Mul (mm, a) y = Mul (m, two)', null, null, 'mm'],
    ['r = Relu (mm) y = Add (r, mm)', null, null, 'mm'],
    ['s = Sigmoid (mm) t = Mul (s, mm) y = Add (t, mm)', null, null, 'mm'],
    ['y = com.microsoft.FastGelu (mm, "p.bias")', null, null, 'mm'],
  ])('%s', (tail, bias, activation, fusedOutput) => {
    const { layer, groups, regions } = layerWith(tail);
    expect(layer).toMatchObject({ bias, activation });
    const { buffers } = choose(
      { dtype: 'f32', groups, regions, skipped: [], description: [] },
      { device: profile('webgpu-laptop', 'webgpu'), tokens: 5, purpose: activation ? 'serve' : 'train' },
    );
    const values = buffers.flatMap(({ name, value }) => (/^[xy]_/.test(name) ? [`${name[0]} ${value}`] : []));
    expect(values).toEqual(['x x', `y ${activation || bias ? 'y' : layer.y}`]);
    if (fusedOutput === 'y') expect(layer.fusedOutput).toBe('y');
    else expect(layer.fusedOutput).toBe(layer.y);
  });
});

describe('storage', () => {
  test.each([
    ['MatMul', { op: 'MatMul' }, 'io'],
    ['MatMul behind a Transpose', { op: 'MatMul', transposed: true }, 'oi'],
    ['Gemm', { op: 'Gemm', bias: true }, 'io'],
    ['Gemm with transB', { op: 'Gemm', transB: true }, 'oi'],
    ['Gemm with transB behind a Transpose', { op: 'Gemm', transB: true, transposed: true }, 'io'],
  ] as const)('%s', (_, form, stored) => {
    const model = layerModel(form);
    rewrite(model, { rank: 2, targets: ['linear0_7x5'] });
    const [layer] = contract(model).regions[0]!.layers;
    expect(layer).toMatchObject({ in: 7, out: 5, weightStored: stored, weight: 'W' });
  });

  test('LOTR6002: a scaled product, and then there is nothing to plan', () => {
    const model = layerModel({ op: 'Gemm', alpha: 2 });
    rewrite(model, { rank: 2, targets: ['linear0_7x5'] });
    expect(() => contract(model)).toThrow(/no kernels for any of the adapted layers: it scales its product/);
  });

  test.each([
    ['MatMulNBits', fourBits, /its weight is packed, and kernels for this device do not unpack it/],
    ['MatMulInteger', eightBits, /its weight is quantised \(\S+, i8\); kernels unpack those of MatMulNBits/],
  ])('LOTR6002: a weight in whole numbers (%s)', (_, layer, why) => {
    const graph = new Graph('layers');
    const y = layer(graph, 'q', graph.addInput('x', tensorType('f32', ['batch', WIDTH])), 32);
    y.setType(tensorType('f32', ['batch', 32]));
    graph.addOutput(y);
    const model = new Model(graph);
    model.irVersion = 10;
    model.setOpset('', 21);
    model.setOpset('com.microsoft', 1);
    rewrite(model, { rank: 2, targets: ['q'] });
    expect(() => contract(model)).toThrow(why);
  });

  test('LOTR6002: a method without kernels, by its name, its einsum and what to do', () => {
    const model = layerModel();
    const factors = [{ ...LORA.factors[1]!, name: 'D' }];
    rewrite(model, { rank: 2, targets: ['.*'], spec: { ...LORA, method: 'full', delta: 'io->io', factors } });
    expect(() => contract(model)).toThrow(
      /full \(io->io\), one of its factors spans the inputs and the outputs of the layer: merge the adapter, or train it/,
    );
  });

  test.each([...METHODS])('no layer of %s is left out, unless it has no form, which is said', (_, spec) => {
    const model = layerModel({ weight: 'h.0.q.weight' });
    rewrite(model, { rank: 2, targets: ['.*'], spec });
    const form = kernelForm(spec);
    if (typeof form === 'string')
      expect(() => contract(model)).toThrow(`${spec.method} (${spec.delta}), ${form}`);
    else expect(contract(model).skipped).toEqual([]);
  });

  test('LOTR3201: a model without adapters', () => {
    expect(() => contract(layerModel())).toThrow(/cannot plan kernels/);
  });
});

test('layers of one input are one region, with first factors of their own too', () => {
  const { path } = oracles().find(({ name }) => name.startsWith('bert'))!;
  const [shared, own] = [undefined, LORA].map((spec) => {
    const model = readModel(path);
    rewrite(model, { rank: 4, targets: ['query', 'key', 'value'], ...(spec ? { spec } : {}) });
    return contract(model).regions;
  });
  expect(shared!.map(({ layers }) => layers.length)).toEqual([3, 3, 3]);
  expect(own!.map(({ downs, layers }) => [downs.length, layers.length])).toEqual(Array(3).fill([3, 3]));
  expect(shared!.map(({ downs, input }) => [downs.length, input])).toEqual([
    [1, 0],
    [1, 1],
    [1, 2],
  ]);
});

/** Elements of a stored tensor; NaN where the model has none of that name. */
function sizeOf(model: Model, name: string): number {
  for (const graph of model.everyGraph()) {
    const value = graph.own(name);
    const data = value ? constantData(value) : null;
    if (data) return data.shape.reduce((a, b) => a * b, 1);
  }
  return Number.NaN;
}

describe.each(oracles().map((oracle) => [oracle.name, oracle] as const))('%s', (_, { path, description }) => {
  test.each(['fold', 'token', 'function'] as const)('every layer has a plan, lowered as %s', (lowering) => {
    const model = readModel(path);
    const targets = description.groups.map(({ pattern }) => pattern);
    rewrite(model, { rank: 4, lowering, targets });
    const contraction = contract(model);
    const sites = description.groups.flatMap((group) => group.sites);
    const uses = sites.reduce((sum, { nodes }) => sum + nodes.length, 0);
    expect(contraction.skipped).toEqual([]);
    expect(contraction.regions.flatMap(({ layers }) => layers).length).toBe(uses);
    for (const tokens of [1, 77]) {
      const options = { device: profile('webgpu-laptop', 'webgpu'), tokens, purpose: 'train' } as const;
      const plan = choose(contraction, options);
      expect(explainPlan(plan)).toContain('the adapters add');
      // every tensor that a host uploads is in the model, and fills its buffer
      for (const { name, from, shape } of plan.buffers) {
        if (!from) continue;
        const sizes = from.map((tensor) => sizeOf(model, tensor));
        const wanted = shape.reduce<number>((product, extent) => product * Number(extent), 1);
        expect(
          sizes.reduce((a, b) => a + b, 0),
          name,
        ).toBe(wanted);
      }
      for (const { region, forward, backward } of plan.regions) {
        expect(forward.length).toBe(1 + region.layers.length);
        expect(backward.length).toBeLessThanOrEqual(5 * region.layers.length);
      }
    }
  });
});

test('labels say where names differ', () => {
  expect(commonLabel(['a.0.q', 'a.0.k'])).toBe('a.0.{q,k}');
  expect(commonLabel(['m.0.gate.proj', 'm.0.up.proj'])).toBe('m.0.{gate.,up.}proj');
  expect(commonLabel(['q', 'k'])).toBe('{q,k}');
  expect(commonLabel(['a.q'])).toBe('a.q');
});
