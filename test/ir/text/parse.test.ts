import { describe, expect, test } from 'vitest';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { parseModel, printModel } from '../../../src/ir/text/index.js';
import { omittedFields } from '../../../src/ir/text/omitted-fields.js';
import { EVERYTHING } from '../../support/everything.js';

/** A main graph around a list of nodes. */
const body = (nodes: string, head = 'g (float[2] x) => ()'): string => `${head} {\n${nodes}\n}`;

/** The first line of the diagnostic and its place. */
function refusal(text: string): string {
  try {
    parseModel(text, 'm.onnxtxt');
  } catch (error) {
    if (error instanceof LotrcError)
      return error.message.split('\n').slice(0, 2).join(' ').replace(/ +/g, ' ');
    throw error;
  }
  return 'accepted';
}

describe("what ONNX's own printer and hand-written texts use", () => {
  test('typed attributes, attributes after the inputs, empty operands, comments, no header', () => {
    const model = parseModel(`
      agraph (float[N, 128] X, float[2] W = {1, -2.5e0}) => (float[N,10] C) # comment
      <int64[1] s = {3}, float[N,10] T> {
        T = MatMul(X, W)
        [n1] C = com.acme.Split:v1 (T, , s,) <axis: int = 1, alpha: float = 2, l: floats = [1, inf]>
      }`);
    expect(printModel(model)).toMatchInlineSnapshot(`
      "<
        ir_version: 10,
        opset_import: []
      >
      agraph (float[N,128] X, float[2] W) => (float[N,10] C) <
        float[2] W = {1.0, -2.5},
        int64[1] s = {3},
        float[N,10] T
      > {
        T = MatMul (X, W)
        [n1] C = com.acme.Split:v1 <axis = 1, alpha = 2.0, l = [1.0, inf]> (T, "", s)
      }
      "
    `);
  });
  test('integers in half tensors are bit patterns', () => {
    const text = printModel(parseModel(body('y = C <a = float16[2] {15360, 1.5}> ()')));
    expect(text).toContain('float16[2] {1.0, 1.5}');
  });
  test('a graph attribute may have a quoted name, a string may not be taken for one', () => {
    const text = body(
      '  y = If (x) <\n    a = "b.1" () => () {\n    },\n    s = "b.1"\n  >',
      'g (float[2] x) => ()',
    );
    expect(printModel(parseModel(text))).toContain(text);
  });
});

test('nodes may be in any order; undefined names become missing values', () => {
  const model = parseModel(body('y = Neg (h)\nh = Abs (nowhere)'));
  const [y, h] = [...model.graph.nodes];
  expect(y!.inputs[0]).toBe(h!.outputs[0]);
  expect(h!.inputs[0]).toMatchObject({ name: 'nowhere', producer: null, isInput: false });
});

test('subgraphs see the values around them', () => {
  const model = parseModel(
    body('y = If (x) <b = t () => (float[2] x) { }>\nz = If (x) <b = t () => (w) { w = Neg (y) }>'),
  );
  const [first, second] = [...model.graph.nodes];
  expect(first!.subgraphs()[0]!.outputs[0]).toBe(model.graph.inputs[0]);
  expect(second!.subgraphs()[0]!.nodes.first!.inputs[0]).toBe(first!.outputs[0]);
});

test('what the text could not show stays counted', () => {
  const text = printModel(parseModel(`${body('')}\n#@ not_shown unknown_fields: 3, sparse_initializers: 1`));
  expect(text.split('\n').at(-2)).toBe('#@ not_shown sparse_initializers: 1, unknown_fields: 3');
  expect(omittedFields(parseModel(text))).toEqual(
    new Map([
      ['unknown_fields', 3],
      ['sparse_initializers', 1],
    ]),
  );
});

describe('refusals name the line, the column, what was expected and what was found', () => {
  test.each([
    ['', 'error LOTR1401: expected the name of the graph, found the end of the text --> m.onnxtxt:1:1'],
    [
      'g (float[2] x => ()',
      'error LOTR1401: expected ")" or "," after an input, found "=>" --> m.onnxtxt:1:15',
    ],
    [
      body('y = Neg x'),
      'error LOTR1401: expected "(" before the inputs of a node, found "x" --> m.onnxtxt:2:9',
    ],
    [
      body('blk.0 = Neg (x)'),
      'error LOTR1401: expected "=" after the outputs of a node, found "." --> m.onnxtxt:2:4',
    ],
    [
      body('y = Neg (x) <a = >'),
      'error LOTR1401: expected the value of an attribute, found ">" --> m.onnxtxt:2:18',
    ],
    [
      body('y = Neg <a: flat = 1> (x)'),
      'error LOTR1401: expected an attribute type, found "flat" --> m.onnxtxt:2:13',
    ],
    [
      body('y = Neg <a = "b> (x)'),
      'error LOTR1401: expected a closing quote, found the end of the text --> m.onnxtxt:2:14',
    ],
    [
      body('y = Neg ($)'),
      'error LOTR1401: expected a name, a number, a string or punctuation, found the character "$" --> m.onnxtxt:2:10',
    ],
    [
      body('y = Neg <a = 1e> (x)'),
      'error LOTR1401: expected digits in the exponent, found none --> m.onnxtxt:2:14',
    ],
    [
      '<ir: 3> g () => () {}',
      'error LOTR1401: expected one of ir_version, model_version, producer_name, producer_version, domain, doc_string, overload, opset_import, metadata_props, found "ir" --> m.onnxtxt:1:2',
    ],
    [
      body('y = Neg <a = 9223372036854775808> (x)'),
      'error LOTR1402: 9223372036854775808 is not a 64-bit integer --> m.onnxtxt:2:14',
    ],
    [
      body('y = Neg <a: ints = [1.5]> (x)'),
      'error LOTR1402: the attribute is of type ints, its value is of type float --> m.onnxtxt:2:20',
    ],
    [
      body('y = Neg <a = [1, 1.5]> (x)'),
      'error LOTR1402: the attribute is of type ints, its value is of type float --> m.onnxtxt:2:14',
    ],
    [
      body('y = Neg <a = []> (x)'),
      'error LOTR1402: the type of an empty list is not known --> m.onnxtxt:2:14',
    ],
    [
      body('y = Neg <a = int8[2] {1, 128}> (x)'),
      'error LOTR1402: 128 is not a value of the element type --> m.onnxtxt:2:26',
    ],
    [
      body('y = Neg <a = float[2] {1.0}> (x)'),
      'error LOTR1402: the shape has 2 elements, the list 1 --> m.onnxtxt:2:23',
    ],
    [
      body('y = Neg <a = float[N] {1.0}> (x)'),
      'error LOTR1402: the tensor "" needs an element type and dimensions that are numbers --> m.onnxtxt:2:23',
    ],
    [body('y = Neg ("a\\q")'), 'error LOTR1402: unknown escape in the string: "\\\\q" --> m.onnxtxt:2:12'],
    [body('y = Neg ("\\xff")'), 'error LOTR1402: the string is not UTF-8 --> m.onnxtxt:2:10'],
    [
      body('#@ value q doc_string: "d"'),
      'error LOTR1402: the note is about "q", but this graph has no value of that name --> m.onnxtxt:2:1',
    ],
    ['g (float x, int64 x) => () {}', 'error LOTR1403: the input "x" is defined twice --> m.onnxtxt:1:13'],
    [
      'g () => () <float a = {1}, float a = {2}> {}',
      'error LOTR1403: the initializer "a" is defined twice --> m.onnxtxt:1:28',
    ],
    [
      body('y = Neg <a = 1, a = 2> (x)'),
      'error LOTR1403: the attribute "a" is defined twice --> m.onnxtxt:2:17',
    ],
  ])('%j', (text, expected) => {
    expect(refusal(text)).toBe(expected);
  });

  test('deep nesting, without running out of stack', () => {
    const graphs = 'g () => () { y = If () <b = '.repeat(5000);
    expect(refusal(graphs)).toMatch(/^error LOTR1404: nesting exceeds the limit of 64 levels/);
    expect(refusal(`g (${'seq('.repeat(5000)}`)).toMatch(/^error LOTR1404/);
  });
});

test('a cut or damaged text is refused with a diagnostic or read, never anything else', () => {
  const text = printModel(
    parseModel(
      `<ir_version: 8, opset_import: ["" : 17], metadata_props: ["k": "\\xc3"]> ${body(
        '[l] y = If:o <b = t (seq(float[N,?]) q) => () <int8[2] i = {1,-2}> { #@ attr a doc_string: "\\n"\n z = Op <a = -1.5e3, r: int = @s> ("") }> (x)',
      )}`.replace('"\\xc3"', '"v"'),
    ),
  );
  const odd = ['"', '<', '>', '{', '[', '#@', '=>', '\\', '-', '\u00e9', '\0', '@', 'float', '9'];
  for (let at = 0; at < text.length; at++) {
    refusal(text.slice(0, at));
    refusal(text.slice(0, at) + text.slice(at + 1));
    refusal(text.slice(0, at) + odd[at % odd.length] + text.slice(at));
  }
});

// anything quadratic would end in the limit of time, in CI
test('very many nodes print and parse', { timeout: 600_000 }, () => {
  const count = EVERYTHING ? 200_000 : 50_000;
  const lines = Array.from({ length: count }, (_, i) => `v${i + 1} = Add <axis = ${i}> (v${i}, v0)`);
  const model = parseModel(`g (float v0) => (float v${count}) {${lines.join('\n')}}`);
  expect(model.graph.nodes.size).toBe(count);
  expect(printModel(model)).toContain(`\n  v${count} = Add <axis = ${count - 1}> (v${count - 1}, v0)\n}\n`);
});
