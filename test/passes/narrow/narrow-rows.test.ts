import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import type { NdArray } from '../../../src/ir/ops/core/define.js';
import { parseModel } from '../../../src/ir/text/index.js';
import { inferShapes } from '../../../src/passes/infer-shapes.js';
import { narrowRows } from '../../../src/passes/narrow/narrow-rows.js';
import { evaluateGraph } from '../../support/evaluate.js';
import { isValid } from '../../support/is-valid.js';
import { feedsOf, oracles } from '../../support/oracle.js';
import { runOrt } from '../../support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-narrow-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** x [B=2, S=3, 5] -> h = x w [B, S, 4] -> body, which ends in z -> y, one index of z. */
function model(body: string) {
  return parseModel(`<ir_version: 8, opset_import: ["": 17]>
    g (float[B,S,5] x, float[5,4] w, float[4] c, float[S,4] t, float[B,1,S] m) => (y)
    <int64 zero = {0}, int64 last = {-1}, int64[1] two = {2}, int64[4] heads = {0,0,2,2}, int64[3] joined = {0,0,4}>
    { h = MatMul (x, w) ${body} }`);
}

function filled(shape: readonly number[], seed: number): NdArray {
  const count = shape.reduce((a, b) => a * b, 1);
  return { shape, data: Float64Array.from({ length: count }, (_, i) => Math.sin(seed + 1.7 * i)) };
}

function run(made: ReturnType<typeof model>): Float64Array {
  inferShapes(made);
  const feeds = new Map<string, NdArray>();
  const shapes: Record<string, readonly number[]> = {
    x: [2, 3, 5],
    w: [5, 4],
    c: [4],
    t: [3, 4],
    m: [2, 1, 3],
  };
  for (const [k, [name, shape]] of Object.entries(shapes).entries()) {
    if (made.graph.own(name)) feeds.set(name, filled(shape, k));
  }
  return evaluateGraph(made.graph, feeds).get(made.graph.outputs[0]!)!.data;
}

describe('computes one row alone after', () => {
  test.each([
    ['rows of a product', 'y = Gather <axis=1> (h, zero)', 1],
    ['the last row, negative index', 'y = Gather <axis=1> (h, last)', 1],
    ['an index of rank 1', 'y = Gather <axis=1> (h, two)', 1],
    ['the leading axis of a product', 'y = Gather <axis=0> (h, zero)', 1],
    ['a bias and an activation', 'a = Add (h, c) z = Relu (a) y = Gather <axis=1> (z, last)', 3],
    ['an operand that goes along', 'z = Add (h, t) y = Gather <axis=1> (z, two)', 2],
    ['a residual inside', 'a = Tanh (h) z = Add (a, h) y = Gather <axis=1> (z, last)', 3],
    ['a square', 'z = Mul (h, h) y = Gather <axis=1> (z, last)', 2],
    [
      'LayerNormalization of the last axis',
      'z = LayerNormalization <axis=-1> (h, c, c) y = Gather <axis=1> (z, last)',
      2,
    ],
    ['Softmax of the last axis', 'z = Softmax <axis=-1> (h) y = Gather <axis=1> (z, last)', 2],
    [
      'a mean of the last axis',
      'a = ReduceMean <axes=[-1], keepdims=1> (h) z = Sub (h, a) y = Gather <axis=1> (z, last)',
      3,
    ],
    ['Transpose', 'z = Transpose <perm=[2,1,0]> (h) y = Gather <axis=1> (z, last)', 2],
    ['heads split off', 'z = Reshape (h, heads) y = Gather <axis=1> (z, last)', 2],
    [
      'heads split off, turned and joined',
      'a = Reshape (h, heads) b = Transpose <perm=[0,2,1,3]> (a) d = Neg (b) e = Transpose <perm=[0,2,1,3]> (d) z = Reshape (e, joined) y = Gather <axis=1> (z, last)',
      6,
    ],
    [
      'attention: one query, all keys and values',
      'k = MatMul (x, w) kt = Transpose <perm=[0,2,1]> (k) s = MatMul (h, kt) n = Add (s, m) p = Softmax <axis=-1> (n) z = MatMul (p, k) y = Gather <axis=1> (z, last)',
      5,
    ],
  ])('%s', (_name, body, narrowed) => {
    const [before, after] = [model(body), model(body)];
    expect(narrowRows(after)).toBe(narrowed);
    expect(isValid(after)).toBe(true);
    expect(Math.max(...run(before).map(Math.abs))).toBeGreaterThan(0.01);
    expect(run(after)).toEqual(run(before));
  });
  test('Gemm rows', () => {
    const text = `<ir_version: 8, opset_import: ["": 17]>
      g (float[3,5] x, float[5,4] w, float[4] c, float[3,4] t) => (y) <int64 last = {-1}>
      { h = Gemm (x, w, c) z = Gemm <alpha=0.5> (x, w, t) s = Add (h, z) y = Gather <axis=0> (s, last) }`;
    const [before, after] = [parseModel(text), parseModel(text)];
    expect(narrowRows(after)).toBe(3);
    const feeds = () =>
      new Map([
        ['x', filled([3, 5], 1)],
        ['w', filled([5, 4], 2)],
        ['c', filled([4], 3)],
        ['t', filled([3, 4], 4)],
      ]);
    const [a, b] = [before, after].map((made) => {
      inferShapes(made);
      return evaluateGraph(made.graph, feeds()).get(made.graph.outputs[0]!)!.data;
    });
    expect(b).toEqual(a);
  });
});

test('an adapted layer', () => {
  const adapted = (bias: string) =>
    parseModel(`<ir_version: 8, opset_import: ["": 17, "lotrc": 1]>
      g (float[2,3,5] x, float[5,4] w, float[5,2] a, float[2,4] b, float[4] c, float[3,4] t) => (y) <int64 last = {-1}>
      { h = lotrc.LoTRLinear <delta = "ir,ro->io", scale = 0.5> (x, w, a, b, ${bias}) y = Gather <axis=1> (h, last) }`);
  const [before, after] = [adapted('c'), adapted('c')];
  expect(narrowRows(after)).toBe(1);
  const shapes = { x: [2, 3, 5], w: [5, 4], a: [5, 2], b: [2, 4], c: [4] };
  const [left, right] = [before, after].map((made) => {
    inferShapes(made);
    const feeds = Object.entries(shapes).map(([name, shape], k) => [name, filled(shape, k)] as const);
    return evaluateGraph(made.graph, new Map(feeds)).get(made.graph.outputs[0]!)!.data;
  });
  expect(Math.max(...left!.map(Math.abs))).toBeGreaterThan(0.01);
  expect(right).toEqual(left);
  // a bias with rows of its own does not go along
  expect(narrowRows(adapted('t'))).toBe(0);
});

describe('leaves alone', () => {
  test.each([
    ['columns of a product', 'y = Gather <axis=2> (h, zero)'],
    ['a softmax along the axis', 'z = Softmax <axis=1> (h) y = Gather <axis=1> (z, zero)'],
    ['a mean over the axis', 'z = ReduceMean <axes=[1], keepdims=0> (h) y = Gather <axis=0> (z, zero)'],
    [
      'LayerNormalization over the axis',
      'z = LayerNormalization <axis=1> (h, t, t) y = Gather <axis=1> (z, zero)',
    ],
    [
      'a value that another node reads whole',
      'z = Relu (h) s = ReduceSum (z) a = Gather <axis=1> (z, zero) y = Add (a, s)',
    ],
    [
      'two different axes',
      'a = Gather <axis=1> (h, zero) b = Gather <axis=0> (h, zero) d = ReduceSum (a) e = ReduceSum (b) y = Add (d, e)',
    ],
    ['no product', 'z = Relu (x) y = Gather <axis=1> (z, zero)'],
    ['several indices', 'y = Gather <axis=1> (h, heads)'],
  ])('%s', (_name, body) => {
    expect(narrowRows(model(body))).toBe(0);
  });
});

describe.each(oracles().map((oracle) => [oracle.name, oracle] as const))('%s', (name, oracle) => {
  test('computes the same with fewer rows', async () => {
    const made = readModel(oracle.path);
    const outputs = made.graph.outputs.length;
    narrowRows(made);
    expect(isValid(made)).toBe(true);
    expect(made.graph.outputs.length).toBe(outputs);
    const path = join(scratch, `${name}.onnx`);
    writeModel(made, path);
    const feeds = feedsOf(oracle);
    const [a, b] = [await runOrt(oracle.path, feeds), await runOrt(path, feeds)];
    for (const [key, value] of Object.entries(a)) {
      const [x, y] = [value.data as Float32Array, b[key]!.data as Float32Array];
      const scale = Math.max(...x.map(Math.abs));
      for (const [i, item] of x.entries()) expect(Math.abs(item - y[i]!)).toBeLessThanOrEqual(2e-6 * scale);
    }
  });
});
