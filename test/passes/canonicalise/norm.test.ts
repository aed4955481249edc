import { describe, expect, test } from 'vitest';
import type { Model } from '../../../src/ir/model.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import type { NdArray } from '../../../src/ir/ops/core/define.js';
import { parseModel } from '../../../src/ir/text/index.js';
import { canonicalise } from '../../../src/passes/canonicalise/canonicalise.js';
import { inferShapes } from '../../../src/passes/infer-shapes.js';
import { evaluateGraph } from '../../support/evaluate.js';
import { isValid } from '../../support/is-valid.js';
import { noise, relativeError, runOrt } from '../../support/ort.js';

/** x is 2a of shape (B, 3, 5); w and c fit the last axis, wide and low the last two. */
function model(body: string, opset = 17, dtype = 'float') {
  return parseModel(`<ir_version: 8, opset_import: ["": ${opset}]>
    g (${dtype}[B,3,5] a) => (y)
    <${dtype}[5] w = {0.5, -1.25, 2, 0.75, 1.5}, ${dtype}[5] c = {0.1, 0.2, -0.3, 0.4, -0.5},
     ${dtype}[1,5] flat = {0.5, -1.25, 2, 0.75, 1.5}, ${dtype}[1,1,1,5] tall = {0.5, -1.25, 2, 0.75, 1.5},
     ${dtype}[3,5] both = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, ${dtype} factor = {3},
     ${dtype} two = {2}, int64 whole = {2}, ${dtype} three = {3}, ${dtype} one = {1}, ${dtype}[1] eps = {0.001}, int64[1] last = {-1},
     int64[2] lastTwo = {-1, 1}, int64[1] middle = {1}>
    { x = Add (a, a) ${body} r = Relu (z) y = Neg (r) }`);
}

/** Means over the last axis, as the operator set writes them. */
const mean = (out: string, of: string, opset: number, axes = 'last') =>
  opset >= 18
    ? `${out} = ReduceMean <keepdims: int = 1> (${of}, ${axes})`
    : `${out} = ReduceMean <axes: ints = [${{ last: '-1', lastTwo: '-1, 1', middle: '1' }[axes]}]> (${of})`;
const square = (opset: number, of = 'x', axes = 'last') =>
  `q = Pow (${of}, two) ${mean('v', 'q', opset, axes)} e = Add (v, eps) s = Sqrt (e)`;
const centred = (opset: number, axes = 'last') =>
  `${mean('m', 'x', opset, axes)} d = Sub (x, m) ${square(opset, 'd', axes)}`;

function same(before: Model, after: Model, within = 1e-9): void {
  const a: NdArray = {
    shape: [2, 3, 5],
    data: Float64Array.from({ length: 30 }, (_, i) => Math.sin(1.7 * i) + 0.02 * i),
  };
  const [x, y] = [before, after].map((made) => {
    inferShapes(made);
    return evaluateGraph(made.graph, new Map([['a', a]])).get(made.graph.outputs[0]!)!.data;
  });
  expect(x!.some((value) => value !== 0)).toBe(true);
  // the attribute epsilon is the float32 in the file; nothing else is rounded
  for (const [i, value] of x!.entries()) expect(Math.abs(value - y![i]!)).toBeLessThan(within);
}

const [LAYER, RMS, SIMPLE] = ['LayerNormalization', 'RMSNormalization', 'SimplifiedLayerNormalization'];

describe('raises', () => {
  test.each([
    ['PyTorch', `${centred(17)} n = Div (d, s) o = Mul (n, w) z = Add (o, c)`, 17, LAYER, ['w', 'c']],
    ['weight first', `${centred(18)} n = Div (d, s) o = Mul (w, n) z = Add (c, o)`, 18, LAYER, ['w', 'c']],
    ['no bias', `${centred(20)} n = Div (d, s) z = Mul (n, w)`, 20, LAYER, ['w']],
    ['no weight', `${centred(17)} n = Div (d, s) z = Add (n, c)`, 17, LAYER, ['ones', 'c']],
    ['neither', `${centred(17)} z = Div (d, s)`, 17, LAYER, ['ones']],
    ['two axes', `${centred(17, 'lastTwo')} n = Div (d, s) z = Mul (n, both)`, 17, LAYER, ['both']],
    [
      'a weight of another shape stays outside',
      `${centred(17)} n = Div (d, s) z = Mul (n, flat)`,
      17,
      LAYER,
      ['ones'],
    ],
    [
      'the difference made twice, and reciprocals',
      `${mean('m', 'x', 17)} d = Sub (x, m) h = Sub (x, m) q = Mul (d, d) ${mean('v', 'q', 17)} e = Add (eps, v) s = Sqrt (e)
       k = Reciprocal (s) n = Mul (k, h) o = Mul (n, w) z = Add (o, c)`,
      17,
      LAYER,
      ['w', 'c'],
    ],
    [
      'casts that change nothing',
      `${mean('m', 'x', 17)} d = Sub (x, m) d1 = Cast <to: int = 1> (d) ${square(17, 'd1')} n = Div (d, s) o = Mul (n, w) z = Add (o, c)`,
      17,
      LAYER,
      ['w', 'c'],
    ],
    ['RMS, TorchScript', `${square(17)} k = Div (one, s) n = Mul (x, k) z = Mul (w, n)`, 17, SIMPLE, ['w']],
    [
      'RMS, torch.export',
      `${square(20)} k = Reciprocal (s) n = Mul (x, k) z = Mul (w, n)`,
      20,
      SIMPLE,
      ['w'],
    ],
    [
      'RMS, an integer exponent',
      `${square(17).replace('two', 'whole')} n = Div (x, s) z = Mul (n, w)`,
      17,
      SIMPLE,
      ['w'],
    ],
    ['RMS, opset 23', `${square(23)} n = Div (x, s) z = Mul (n, w)`, 23, RMS, ['w']],
    ['RMS without a weight', `${square(23)} z = Div (x, s)`, 23, RMS, ['ones']],
    [
      'RMS with a bias that it has not',
      `${square(23)} n = Div (x, s) o = Mul (n, w) z = Add (o, c)`,
      23,
      RMS,
      ['w'],
    ],
    [
      'RMS of a difference from another mean',
      `${mean('m', 'x', 17, 'lastTwo')} d = Sub (x, m) ${square(17, 'd')} n = Div (d, s) z = Mul (n, w)`,
      17,
      SIMPLE,
      ['w'],
    ],
  ])('%s', (_name, body, opset, op, rest) => {
    const [before, after] = [model(body, opset), model(body, opset)];
    expect(canonicalise(after)).toBe(1);
    expect(isValid(after)).toBe(true);
    const raised = [...after.graph.nodes].find((node) => node.op === op)!;
    const names = raised.inputs.slice(1).map((input) => input!.name.replace(/.*\//, ''));
    expect(names).toEqual(rest);
    expect([...after.graph.nodes].some(({ op: name }) => name === 'Sqrt')).toBe(false);
    // the reference of Cast rounds to float32
    same(before, after, body.includes('Cast') ? 1e-7 : undefined);
  });

  test('one constant of ones for all of a shape', () => {
    const twice = `${centred(17)} n = Div (d, s) q2 = Pow (n, two) ${mean('v2', 'q2', 17)} e2 = Add (v2, eps) s2 = Sqrt (e2) z = Div (n, s2)`;
    const made = model(twice);
    expect(canonicalise(made)).toBe(2);
    expect([...made.graph.initializers.keys()].filter((name) => name.includes('ones'))).toHaveLength(1);
    same(model(twice), made);
  });
});

/** LayerNormalization is in the operator set from 17 on; ONNX Runtime has it before. */
test.each([
  ['LayerNormalization', 9, `${centred(9)} n = Div (d, s) o = Mul (n, w) z = Add (o, c)`],
  ['LayerNormalization', 13, `${centred(13)} n = Div (d, s) z = Mul (n, w)`],
  ['LayerNormalization', 17, `${centred(17, 'lastTwo')} n = Div (d, s) z = Mul (both, n)`],
  ['SimplifiedLayerNormalization', 12, `${square(12)} n = Div (x, s) z = Mul (n, w)`],
  ['SimplifiedLayerNormalization', 18, `${square(18, 'x', 'lastTwo')} z = Div (x, s)`],
  ['RMSNormalization', 23, `${square(23)} n = Div (x, s) z = Mul (n, w)`],
])('ONNX Runtime: %s in opset %i', async (op, opset, body) => {
  const [before, after] = [model(body, opset), model(body, opset)];
  expect(canonicalise(after, () => true)).toBe(1);
  expect([...after.graph.nodes].map((node) => node.op)).toContain(op);
  inferShapes(before);
  const a = noise(30, 3);
  const wanted = evaluateGraph(
    before.graph,
    new Map([['a', { shape: [2, 3, 5], data: Float64Array.from(a) }]]),
  );
  const { y } = await runOrt(encodeModel(after), { a: { dtype: 'float32', shape: [2, 3, 5], data: a } });
  expect(relativeError(y!.data, wanted.get(before.graph.outputs[0]!)!.data)).toBeLessThan(1e-6);
});

describe('leaves alone', () => {
  const rest = 'n = Div (d, s) z = Mul (n, w)';
  test.each([
    ['an axis that is not the last', `${centred(17, 'middle')} n = Div (d, s) z = Mul (n, w)`],
    ['a cube', `${centred(17).replace('Pow (d, two)', 'Pow (d, three)')} ${rest}`],
    ['a product of two values', `${centred(17).replace('Pow (d, two)', 'Mul (d, x)')} ${rest}`],
    [
      'means that drop the axis',
      `q = Mul (x, x) v1 = ReduceMean <axes: ints = [-1], keepdims: int = 0> (q) v = Unsqueeze (v1, last) e = Add (v, eps) s = Sqrt (e) n = Div (x, s) z = Mul (n, w)`,
    ],
    [
      'a sum instead of a mean',
      `${square(17).replace('ReduceMean <axes: ints = [-1]> (q)', 'ReduceSum (q, last)')} z = Div (x, s)`,
    ],
    ['the root times the deviation', `${centred(17)} n = Mul (d, s) z = Mul (n, w)`],
    ['the root over the deviation', `${centred(17)} n = Div (s, d) z = Mul (n, w)`],
    ['another numerator', `${centred(17)} n = Div (a, s) z = Mul (n, w)`],
    ['three over the root', `${square(17)} k = Div (three, s) n = Mul (x, k) z = Mul (n, w)`],
    ['no epsilon', `${square(17).replace('Add (v, eps)', 'Add (v, v)')} z = Div (x, s)`],
    ['an epsilon per element', `${square(17).replace('eps', 'w')} z = Div (x, s)`],
    ['a variance that is read elsewhere', `${centred(17)} n = Div (d, s) o = Mul (n, w) z = Add (o, v)`],
    ['a deviation that is read elsewhere', `${centred(17)} n = Div (d, s) o = Mul (n, w) z = Add (o, d)`],
    ['a root that is read elsewhere', `${square(17)} n = Div (x, s) z = Mul (n, s)`],
  ])('%s', (_name, body) => {
    expect(canonicalise(model(body))).toBe(0);
  });

  test('an epsilon that raises the rank', () => {
    const made = parseModel(`<ir_version: 8, opset_import: ["": 17]>
      g (float[B,5] a) => (y) <float[1,1,1] eps = {0.001}, float two = {2}>
      { q = Pow (a, two) v = ReduceMean <axes: ints = [-1]> (q) e = Add (v, eps) s = Sqrt (e) z = Div (a, s) y = Neg (z) }`);
    expect(canonicalise(made)).toBe(0);
  });
  test('an axis whose extent is not known', () => {
    const made = parseModel(`<ir_version: 8, opset_import: ["": 17]>
      g (float[B,N] a) => (y) <float eps = {0.001}, float two = {2}>
      { q = Pow (a, two) v = ReduceMean <axes: ints = [-1]> (q) e = Add (v, eps) s = Sqrt (e) z = Div (a, s) y = Neg (z) }`);
    expect(canonicalise(made)).toBe(0);
  });
  test('a variance that is a public output', () => {
    const made = model(`${centred(17)} ${rest}`);
    made.graph.addOutput(made.graph.own('v')!);
    expect(canonicalise(made)).toBe(0);
  });
  test('a normalised value that is read twice keeps the products apart', () => {
    const body = `${centred(17)} n = Div (d, s) o = Mul (n, w) z = Add (o, n)`;
    const made = model(body);
    expect(canonicalise(made)).toBe(1);
    expect([...made.graph.nodes].map(({ op }) => op)).toEqual([
      'Add',
      'LayerNormalization',
      'Mul',
      'Add',
      'Relu',
      'Neg',
    ]);
    same(model(body), made);
  });
  test('float64', () => expect(canonicalise(model(`${centred(17)} ${rest}`, 17, 'double'))).toBe(0));
  test('operators that may not be used', () => {
    const body = `${centred(13)} ${rest}`;
    expect(canonicalise(model(body, 13))).toBe(0);
    expect(canonicalise(model(body, 17), () => false)).toBe(0);
    const early = model(body, 13);
    const asked: unknown[] = [];
    const seen = (op: string, opset: number) => asked.push([op, opset]) > 0;
    expect(canonicalise(early, seen)).toBe(1);
    expect(asked).toEqual([['LayerNormalization', 13]]);
    same(model(body, 13), early);
  });
});
