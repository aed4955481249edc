import { describe, expect, test } from 'vitest';
import type { Model } from '../../../src/ir/model.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { parseModel, printModel } from '../../../src/ir/text/index.js';
import { verify } from '../../../src/ir/verify.js';
import { inlineCalls, obstacle } from '../../../src/passes/inline/inline.js';
import { f32, maxDifference, runOrt } from '../../support/ort.js';

/** A function in a function, an attribute with a default, one without, a branch that reads the argument, an unused input. */
const NESTED = `
<ir_version: 10, opset_import: ["" : 18, "acme" : 1]>
main (float[3,5] x) => (float[3,5] y, float[3,5] z) {
  [first] h = acme.Outer <slope = 0.25> (x, x)
  [second] y = acme.Outer <slope = -2.0> (h)
  t = Neg (h)
  [third] z = acme.Inner <alpha = 0.5> (t)
}
<domain: "acme", opset_import: ["" : 18, "acme" : 1]>
Outer <slope> (a, b) => (r) {
  [pre] t = LeakyRelu <alpha: float = @slope> (a)
  [in] s = acme.Inner (t)
  zero = Constant <value_float = 0.0> ()
  sum = ReduceSum <keepdims = 0> (s)
  c = Less (sum, zero)
  [choose] r = If (c) <
    then_branch = then () => (p) {
      k = Constant <value_float = 3.0> ()
      p = Mul (s, k)
    },
    else_branch = otherwise () => (q) {
      q = acme.Inner <alpha = 0.75> (a)
    }
  >
}
<domain: "acme", opset_import: ["" : 18]>
Inner <alpha: float = 1.5> (x) => (y) {
  e = Elu <alpha: float = @alpha> (x)
  y = Add (e, x)
}`;

const parse = (text: string): Model => parseModel(text, 'test');

describe('inlining', () => {
  test('computes the same in ONNX Runtime, nothing is called any more, every name is defined once', async () => {
    const before = encodeModel(parse(NESTED));
    const model = parse(NESTED);
    expect(inlineCalls(model)).toBe(7);
    expect(model.functions.size).toBe(0);
    expect(verify(model)).toEqual([]);
    for (const seed of [1, 2, 3]) {
      const feeds = { x: f32([3, 5], seed) };
      const [want, got] = [await runOrt(before, feeds), await runOrt(encodeModel(model), feeds)];
      expect(Object.keys(got)).toEqual(Object.keys(want));
      for (const name of ['y', 'z']) expect(maxDifference(got[name]!, want[name]!)).toBe(0);
    }
  });

  test('only chosen calls; a function that is still called stays', () => {
    const model = parse(NESTED);
    const third = [...model.graph.nodes].find(({ name }) => name === 'third')!;
    expect(inlineCalls(model, (call) => call === third)).toBe(1);
    expect([...model.functions.keys()]).toEqual(['acme::Outer', 'acme::Inner']);
    expect(verify(model)).toEqual([]);
  });

  test('public names stay with results; arguments passed through and results delivered twice get an Identity', () => {
    const model = parse(`
      <ir_version: 10, opset_import: ["" : 18, "acme" : 1]>
      main (float[2] x) => (float[2] y, float[2] z, float[2] w) {
        [call] y, z, w = acme.F (x)
      }
      <domain: "acme", opset_import: ["" : 18]>
      F (x) => (n, n, x) {
        n = Neg (x)
      }`);
    inlineCalls(model);
    expect(printModel(model)).toMatchInlineSnapshot(`
      "<
        ir_version: 10,
        opset_import: ["" : 18, "acme" : 1]
      >
      main (float[2] x) => (float[2] y, float[2] z, float[2] w) {
        y = Neg (x)
        [Identity] z = Identity (y)
        [Identity_1] w = Identity (x)
      }
      "
    `);
  });

  test('an input that the call leaves out is left out in the body', () => {
    const model = parse(`
      <ir_version: 10, opset_import: ["" : 18, "acme" : 1]>
      main (float[2] x) => (float[2] y) {
        y = acme.F (x)
      }
      <domain: "acme", opset_import: ["" : 18]>
      F (x, low, high) => (c) {
        c = Clip (x, low, high)
      }`);
    inlineCalls(model);
    const clip = [...model.graph.nodes].find(({ op }) => op === 'Clip')!;
    expect(clip.inputs.slice(1)).toEqual([null, null]);
  });

  test('nodes of a body may be in any order', async () => {
    const model = parse(`
      <ir_version: 10, opset_import: ["" : 18, "acme" : 1]>
      main (float[2] x) => (float[2] y) {
        y = acme.F (x)
      }
      <domain: "acme", opset_import: ["" : 18]>
      F (x) => (b) {
        b = Exp (a)
        a = Neg (x)
      }`);
    inlineCalls(model);
    expect([...model.graph.nodes].map(({ op }) => op)).toEqual(['Neg', 'Exp']);
  });

  test('a body of an operator set in which an op means something else stays a call', () => {
    const text = (version: number, op: string) => `
      <ir_version: 10, opset_import: ["" : 18, "acme" : 1]>
      main (float[2,3] x) => (float[2,3] y) {
        y = acme.F (x)
      }
      <domain: "acme", opset_import: ["" : ${version}]>
      F (x) => (s) {
        s = ${op} (x)
      }`;
    const old = parse(text(11, 'Softmax'));
    expect(inlineCalls(old)).toBe(0);
    expect(obstacle(old, old.functions.get('acme::F')!)).toBe(
      'its body uses Softmax of operator set 11, and the model imports version 18',
    );
    expect(inlineCalls(parse(text(11, 'Relu')))).toBe(1);
  });
});
