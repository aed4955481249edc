import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import type { NdArray } from '../../../src/ir/ops/core/define.js';
import { parseModel } from '../../../src/ir/text/index.js';
import { canonicalise } from '../../../src/passes/canonicalise/canonicalise.js';
import { inferShapes } from '../../../src/passes/infer-shapes.js';
import { evaluateGraph } from '../../support/evaluate.js';
import { isValid } from '../../support/is-valid.js';
import { feedsOf, oracles } from '../../support/oracle.js';
import { runOrt } from '../../support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-canonical-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function model(body: string, opset = 17, dtype = 'float') {
  return parseModel(`<ir_version: 8, opset_import: ["": ${opset}]>
    g (${dtype}[B,7] a) => (y)
    <${dtype} root = {1.41421354}, ${dtype} inverse = {0.707106769}, ${dtype} one = {1}, ${dtype}[1] half = {0.5}, ${dtype} three = {3},
     ${dtype} cubic = {0.044715}, ${dtype} slope = {0.797884583}, ${dtype} two = {2}, ${dtype} other = {0.9}, ${dtype}[1,1,1] wide = {0.5}>
    { x = Add (a, a) ${body} r = Relu (z) y = Neg (r) }`);
}

const CUBE =
  'k = Mul (x, x) l = Mul (k, x) m = Mul (l, cubic) n = Add (x, m) u = Mul (n, slope) f = Tanh (u) g = Add (f, one)';
const ERF = 'u = Div (x, root) f = Erf (u) g = Add (f, one)';

describe('raises', () => {
  test.each([
    ['TorchScript: x (1 + erf) half', `${ERF} p = Mul (x, g) z = Mul (p, half)`, 17, 'com.microsoft::Gelu'],
    [
      'torch.export: x half (1 + erf)',
      'u = Mul (x, inverse) f = Erf (u) g = Add (one, f) h = Mul (half, x) z = Mul (h, g)',
      17,
      'com.microsoft::Gelu',
    ],
    ['half first', `${ERF} h = Mul (g, half) z = Mul (h, x)`, 17, 'com.microsoft::Gelu'],
    ['divided by two', `${ERF} p = Mul (g, x) z = Div (p, two)`, 17, 'com.microsoft::Gelu'],
    ['opset 20', `${ERF} p = Mul (x, g) z = Mul (p, half)`, 20, 'Gelu'],
    [
      'tanh, Pow',
      'k = Pow (x, three) m = Mul (cubic, k) n = Add (x, m) u = Mul (slope, n) f = Tanh (u) g = Add (f, one) h = Mul (x, half) z = Mul (h, g)',
      17,
      'com.microsoft::FastGelu',
    ],
    ['tanh, products', `${CUBE} h = Mul (x, half) z = Mul (h, g)`, 17, 'com.microsoft::FastGelu'],
    [
      'tanh, factored',
      'k = Mul (x, x) m = Mul (k, cubic) n = Add (m, one) l = Mul (n, x) u = Mul (l, slope) f = Tanh (u) g = Add (f, one) h = Mul (x, half) z = Mul (h, g)',
      17,
      'com.microsoft::FastGelu',
    ],
    ['tanh, opset 20', `${CUBE} h = Mul (x, half) z = Mul (h, g)`, 20, 'Gelu'],
  ])('%s', (_name, body, opset, op) => {
    const [before, after] = [model(body, opset), model(body, opset)];
    expect(canonicalise(after)).toBe(1);
    expect(isValid(after)).toBe(true);
    expect([...after.graph.nodes].map(({ opKey }) => opKey)).toEqual(['Add', op, 'Relu', 'Neg']);
    const a: NdArray = { shape: [2, 7], data: Float64Array.from({ length: 14 }, (_, i) => -2.1 + 0.33 * i) };
    const [x, y] = [before, after].map((made) => {
      inferShapes(made);
      return evaluateGraph(made.graph, new Map([['a', a]])).get(made.graph.outputs[0]!)!.data;
    });
    // the constants in the file are float32
    for (const [i, value] of x!.entries()) expect(Math.abs(value - y![i]!)).toBeLessThan(2e-7);
  });
});

describe('leaves alone', () => {
  test.each([
    ['another constant', `u = Mul (x, other) f = Erf (u) g = Add (f, one) p = Mul (x, g) z = Mul (p, half)`],
    ['a constant that adds axes to the result', `${ERF} p = Mul (x, g) z = Mul (p, wide)`],
    ['no half', `${ERF} z = Mul (x, g)`],
    ['minus one', `u = Div (x, root) f = Erf (u) g = Sub (f, one) p = Mul (x, g) z = Mul (p, half)`],
    ['another value than x', `${ERF} p = Mul (a, g) z = Mul (p, half)`],
    ['a result inside that is read elsewhere', `${ERF} p = Mul (x, g) q = Mul (p, half) z = Add (q, f)`],
    [
      'a cube of another sign',
      `${CUBE.replace('Add (x, m)', 'Sub (x, m)')} h = Mul (x, half) z = Mul (h, g)`,
    ],
  ])('%s', (_name, body) => {
    expect(canonicalise(model(body))).toBe(0);
  });
  test('float64', () => {
    expect(canonicalise(model(`${ERF} p = Mul (x, g) z = Mul (p, half)`, 17, 'double'))).toBe(0);
  });
});

test.each(oracles().map((oracle) => [oracle.name, oracle] as const))(
  '%s computes the same',
  async (name, oracle) => {
    const made = readModel(oracle.path);
    canonicalise(made);
    expect(isValid(made)).toBe(true);
    const path = join(scratch, `${name}.onnx`);
    writeModel(made, path);
    const feeds = feedsOf(oracle);
    const [a, b] = [await runOrt(oracle.path, feeds), await runOrt(path, feeds)];
    for (const [key, value] of Object.entries(a)) {
      const [x, y] = [value.data as Float32Array, b[key]!.data as Float32Array];
      const scale = Math.max(...x.map(Math.abs));
      for (const [i, item] of x.entries()) expect(Math.abs(item - y[i]!)).toBeLessThanOrEqual(3e-6 * scale);
    }
  },
);
