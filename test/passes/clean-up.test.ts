import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readModel } from '../../src/ir/onnx/reader.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { parseModel, printModel } from '../../src/ir/text/index.js';
import { eliminateCommon } from '../../src/passes/cse.js';
import { removeDead } from '../../src/passes/dce.js';
import { simplify } from '../../src/passes/simplify.js';
import { isValid } from '../support/is-valid.js';
import { feedsOf, oracles } from '../support/oracle.js';
import { maxDifference, runOrt } from '../support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-clean-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const HEAD = '<ir_version: 8, opset_import: ["": 17]>\n';

/** The nodes of a graph after a pass, one per line. */
function after(graph: string, pass: (model: ReturnType<typeof parseModel>) => unknown): string[] {
  const model = parseModel(HEAD + graph);
  pass(model);
  expect(isValid(model)).toBe(true);
  return printModel(model)
    .split('\n')
    .filter((line) => / = [A-Z]/.test(line))
    .map((line) => line.trim().replace(/\s+/g, ' '));
}

describe('simplify', () => {
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    [
      'an Identity between nodes goes',
      'g (float[3] x) => (float[3] y) { a = Identity (x) y = Neg (a) }',
      ['y = Neg (x)'],
    ],
    [
      'an Identity of an input to an output stays',
      'g (float[3] x) => (float[3] y) { y = Identity (x) }',
      ['y = Identity (x)'],
    ],
    [
      'a public name passes to the node behind',
      'g (float[3] x) => (float[3] y) { a = Neg (x) y = Identity (a) }',
      ['y = Neg (x)'],
    ],
    [
      'one value under two public names keeps both',
      'g (float[3] x) => (float[3] y, float[3] z) { y = Neg (x) z = Identity (y) }',
      ['y = Neg (x)', 'z = Identity (y)'],
    ],
    [
      'Transposes that cancel',
      'g (float[2,3,4] x) => (float[2,3,4] y) { a = Transpose <perm = [2,0,1]> (x) b = Transpose <perm = [1,2,0]> (a) y = Neg (b) }',
      ['y = Neg (x)'],
    ],
    [
      'Transposes that do not cancel',
      'g (float[2,3,4] x) => (float[3,4,2] y) { a = Transpose <perm = [2,0,1]> (x) y = Transpose <perm = [2,0,1]> (a) }',
      ['a = Transpose <perm = [2, 0, 1]> (x)', 'y = Transpose <perm = [2, 0, 1]> (a)'],
    ],
    [
      'a Cast to the same type',
      'g (float[3] x) => (float[3] y) { a = Cast <to = 1> (x) y = Neg (a) }',
      ['y = Neg (x)'],
    ],
    [
      'Neg of Neg',
      'g (float[3] x) => (float[3] y) { a = Neg (x) b = Neg (a) y = Relu (b) }',
      ['y = Relu (x)'],
    ],
    [
      'times one',
      'g (float[3] x) => (float[3] y) <float one = {1}> { a = Mul (one, x) y = Relu (a) }',
      ['y = Relu (x)'],
    ],
    [
      'a vector of one that widens stays',
      'g (float x) => (float[1] y) <float[1] one = {1}> { y = Mul (x, one) }',
      ['y = Mul (x, one)'],
    ],
    [
      'plus zero stays: -0 + 0 is 0',
      'g (float[3] x) => (float[3] y) <float zero = {0}> { y = Add (x, zero) }',
      ['y = Add (x, zero)'],
    ],
    [
      'two Reshapes become one',
      'g (float[6] x) => (float[3,2] y) <int64[2] s = {2, 3}, int64[2] t = {3, 2}> { a = Reshape (x, s) y = Reshape (a, t) }',
      ['y = Reshape (x, t)'],
    ],
    [
      'a Reshape that copies an extent stays',
      'g (float[6] x) => (float[2,3] y) <int64[2] s = {2, 3}, int64[2] t = {0, -1}> { a = Reshape (x, s) y = Reshape (a, t) }',
      ['a = Reshape (x, s)', 'y = Reshape (a, t)'],
    ],
    [
      'Dropout in inference',
      'g (float[3] x) => (float[3] y) { a = Dropout (x) y = Neg (a) }',
      ['y = Neg (x)'],
    ],
    [
      'Dropout whose mask is read stays',
      'g (float[3] x) => (float[3] y, bool[3] m) { y, m = Dropout (x) }',
      ['y, m = Dropout (x)'],
    ],
  ];
  test.each(cases)('%s', (_name, graph, expected) => expect(after(graph, simplify)).toEqual(expected));
});

describe('cse', () => {
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    [
      'equal nodes become one',
      'g (float[3] x) => (float[3] y) { a = Neg (x) b = Neg (x) y = Add (a, b) }',
      ['a = Neg (x)', 'y = Add (a, a)'],
    ],
    [
      'other attributes, other nodes',
      'g (float[2,3] x) => (float[2,3] y) { a = Softmax <axis = 0> (x) b = Softmax <axis = 1> (x) y = Add (a, b) }',
      ['a = Softmax <axis = 0> (x)', 'b = Softmax <axis = 1> (x)', 'y = Add (a, b)'],
    ],
    [
      'a public name is kept by the first',
      'g (float[3] x) => (float[3] y, float[3] z) { a = Neg (x) y = Neg (x) z = Relu (a) }',
      ['y = Neg (x)', 'z = Relu (y)'],
    ],
    [
      'two public names stay two nodes',
      'g (float[3] x) => (float[3] y, float[3] z) { y = Neg (x) z = Neg (x) }',
      ['y = Neg (x)', 'z = Neg (x)'],
    ],
    [
      'random numbers are drawn twice',
      'g (float[3] x) => (float[3] y) { a = RandomNormalLike (x) b = RandomNormalLike (x) y = Sub (a, b) }',
      ['a = RandomNormalLike (x)', 'b = RandomNormalLike (x)', 'y = Sub (a, b)'],
    ],
  ];
  test.each(cases)('%s', (_name, graph, expected) => expect(after(graph, eliminateCommon)).toEqual(expected));
});

describe('dce', () => {
  test('what leads nowhere goes, with its initializers', () => {
    const graph =
      'g (float[3] x) => (float[3] y) <float[3] w = {1, 2, 3}> { a = Mul (x, w) b = Neg (a) y = Relu (x) }';
    const model = parseModel(HEAD + graph);
    expect(removeDead(model)).toBe(3);
    expect([...model.graph.initializers.keys()]).toEqual([]);
    expect([...model.graph.nodes].map((node) => node.op)).toEqual(['Relu']);
  });
  test('an operator that lotrc does not know stays: it may have an effect', () => {
    const graph =
      '<ir_version: 8, opset_import: ["": 17, "custom": 1]>\ng (float[3] x) => (float[3] y) { a = custom.Log (x) y = Relu (x) }';
    const model = parseModel(graph);
    expect(removeDead(model)).toBe(0);
  });
  test("scope new leaves the user's own dead nodes alone", () => {
    const model = parseModel(`${HEAD}g (float[3] x) => (float[3] y) { a = Neg (x) y = Relu (x) }`);
    expect(removeDead(model, 'new')).toBe(0);
  });
});

describe.each(oracles().map((oracle) => [oracle.name, oracle] as const))('%s', (name, oracle) => {
  test('computes the same after simplify, cse and dce, with fewer nodes', async () => {
    const model = readModel(oracle.path);
    const before = model.graph.nodes.size;
    simplify(model);
    eliminateCommon(model);
    removeDead(model);
    expect(isValid(model)).toBe(true);
    expect(model.graph.nodes.size).toBeLessThanOrEqual(before);
    const path = join(scratch, `${name}.onnx`);
    writeModel(model, path);
    const feeds = feedsOf(oracle);
    const [a, b] = [
      await runOrt(oracle.path, feeds, { level: 'disabled' }),
      await runOrt(path, feeds, { level: 'disabled' }),
    ];
    for (const output of Object.keys(a)) expect(maxDifference(a[output]!, b[output]!)).toBe(0);
  });
});
