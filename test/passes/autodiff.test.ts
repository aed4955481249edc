import { describe, expect, test } from 'vitest';
import type { Model } from '../../src/ir/model.js';
import type { NdArray } from '../../src/ir/ops/core/define.js';
import { f32Tensor } from '../../src/ir/tensor.js';
import { parseModel } from '../../src/ir/text/index.js';
import { differentiate } from '../../src/passes/autodiff/engine.js';
import { inferShapes } from '../../src/passes/infer-shapes.js';
import { evaluateGraph } from '../support/evaluate.js';

/** Values of a graph's outputs, and the gradient of the sum of squares / 2 of the last one with respect to x. */
function gradient(text: string, x: NdArray): { readonly y: Float64Array; readonly dx: Float64Array } {
  const model: Model = parseModel(`<ir_version: 8, opset_import: ["": 17]>\n${text}`);
  const { graph } = model;
  inferShapes(model);
  const y = graph.outputs[0]!;
  const one = graph.addInitializer('one', f32Tensor([], [1]));
  const seed = graph.append({ op: 'Mul', name: 'seed', inputs: [y, one], outputs: ['dy'] }).outputs[0]!;
  seed.setType(y.type);
  const found = differentiate(graph, { seeds: new Map([[y, seed]]), wrt: [graph.own('x')!] });
  inferShapes(model);
  const values = evaluateGraph(graph, new Map([['x', x]]));
  return { y: values.get(y)!.data, dx: values.get(found.get(graph.own('x')!)!)!.data };
}

const array = (shape: readonly number[], seed: number): NdArray => ({
  shape,
  data: Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(seed + 1.9 * i)),
});

/** Central differences of the sum of squares / 2. */
function differences(text: string, x: NdArray): Float64Array {
  const at = (i: number, h: number) => {
    const data = Float64Array.from(x.data);
    data[i]! += h;
    return gradient(text, { ...x, data }).y.reduce((sum, value) => sum + (value * value) / 2, 0);
  };
  return x.data.map((_, i) => (at(i, 1e-5) - at(i, -1e-5)) / 2e-5);
}

describe('edge cases of differentiation', () => {
  test.each([1, 2])('a line of zeros under the %i-norm leaves no NaN', (p) => {
    const text = `g (double[2,3] x) => (double[2,3] y) { t = LpNormalization <p = ${p}> (x) y = Exp (t) }`;
    const x = { shape: [2, 3], data: Float64Array.of(0, 0, 0, 1, -2, 0.5) };
    const { dx } = gradient(text, x);
    expect([...dx.subarray(0, 3)]).toEqual([0, 0, 0]);
    expect([...dx.subarray(3)].every((value) => Number.isFinite(value) && value !== 0)).toBe(true);
  });

  test.each([
    ['InstanceNormalization', 21, 'InstanceNormalization (x, w, c)'],
    ['GroupNormalization', 21, 'GroupNormalization <num_groups = 2> (x, w, c)'],
    ['GroupNormalization of opset 18', 18, 'GroupNormalization <num_groups = 4> (x, w, c)'],
  ])('%s in half precision: float32 inside, float16 gradients', (_name, opset, call) => {
    const model: Model = parseModel(`<ir_version: 8, opset_import: ["": ${opset}]>
      g (float16[2,4,5] x, float16[4] w, float16[4] c, float16[2,4,5] seed) => (float16[2,4,5] y) { y = ${call} }`);
    inferShapes(model);
    const { graph } = model;
    const wrt = ['x', 'w', 'c'].map((name) => graph.own(name)!);
    const found = differentiate(graph, { seeds: new Map([[graph.outputs[0]!, graph.own('seed')!]]), wrt });
    expect(inferShapes(model)).toEqual([]);
    for (const value of wrt) expect(found.get(value)!.type).toEqual(value.type);
  });

  const masked = (guard: string) =>
    `g (float[3,4] x) => (float[3,5] y)
    <float[3,4] m = {0, 0, -1e1, 0, INF, INF, INF, INF, 0, INF, 0, 0}, float[4,5] v = {VALUES}, float zero = {0}>
    { s = Add (x, m) p = Softmax <axis=-1> (s) ${guard} y = MatMul (q, v) }`
      .replaceAll('INF', '-inf')
      .replace('VALUES', Array.from({ length: 20 }, (_, i) => Math.sin(i).toFixed(3)).join(', '));
  const guarded = masked('n = IsNaN (p) q = Where (n, zero, p)');
  test('a row of attention that is masked as a whole, guarded as exporters do, leaves no NaN', () => {
    const x = array([3, 4], 1);
    const { y, dx } = gradient(guarded, x);
    expect([...y].every(Number.isFinite)).toBe(true);
    expect([...dx.slice(4, 8)]).toEqual([0, 0, 0, 0]);
    const expected = differences(guarded, x);
    for (const [i, value] of dx.entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-8);
    expect(Math.max(...dx.map(Math.abs))).toBeGreaterThan(0.01);
  });
  test('x = 0 under Pow, one value under two edges, a sum over an axis of extent 0', () => {
    const text = `g (float[2,3] x) => (float[2,3] y) <float two = {2}> { p = Pow (x, two) y = Mul (p, x) }`;
    const x = { shape: [2, 3], data: Float64Array.of(0, 1, -2, 0.5, 0, 3) };
    // d/dx of (x^3)^2 / 2
    expect([...gradient(text, x).dx]).toEqual([...x.data].map((value) => 3 * value ** 5));
    const none = `g (float[0,3] x) => (float[0,3] y) { a = Tanh (x) s = ReduceSum (a) y = Mul (a, s) }`;
    const { y, dx } = gradient(none, { shape: [0, 3], data: new Float64Array(0) });
    expect([y.length, dx.length]).toEqual([0, 0]);
  });
});
