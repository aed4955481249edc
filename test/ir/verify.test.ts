import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { attrInt } from '../../src/ir/attr.js';
import { Graph, GraphFunction, Model, Node } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { tensorType } from '../../src/ir/shape.js';
import { f32Tensor } from '../../src/ir/tensor.js';
import { verify } from '../../src/ir/verify.js';
import { onnxFiles, sharedDir } from '../support/shared.js';

function model(): { m: Model; g: Graph } {
  const g = new Graph('g');
  const m = new Model(g);
  m.opsets.set('', 17);
  const x = g.addInput('x', tensorType('f32', [2]));
  g.addOutput(g.append({ op: 'Relu', inputs: [x], outputs: ['y'], name: 'relu' }).outputs[0]!);
  return { m, g };
}
const codes = (m: Model) => verify(m).map(({ code }) => code);

test('a right model is clean', () => expect(codes(model().m)).toEqual([]));

test('a name defined twice names both places', () => {
  const { m, g } = model();
  g.append({ op: 'Neg', inputs: [g.own('x')!], outputs: ['y'], name: 'neg' });
  const [found] = verify(m);
  expect(found?.code).toBe('LOTR2001');
  expect(found?.message).toContain('"relu"');
  expect(found?.at).toMatchObject({ kind: 'node', path: ['neg'] });
});

test('a name that nothing defines is reported with near names', () => {
  const { m, g } = model();
  const node = g.append({
    op: 'Add',
    inputs: [g.own('x')!, g.declare('yy', false)],
    outputs: ['z'],
    name: 'add',
  });
  g.addOutput(node.outputs[0]!);
  expect(verify(m)[0]).toMatchObject({
    code: 'LOTR2002',
    at: { kind: 'node', input: 1 },
    hint: 'names that exist: y',
  });
});

test('a circle is named node by node', () => {
  const { m, g } = model();
  const a = g.append({ op: 'Neg', inputs: [g.own('x')!], outputs: ['a'], name: 'A' });
  const b = g.append({ op: 'Neg', inputs: [a.outputs[0]!], outputs: ['b'], name: 'B' });
  a.setInput(0, b.outputs[0]!);
  expect(verify(m)[0]).toMatchObject({ code: 'LOTR2003' });
  expect(verify(m)[0]!.message).toMatch(/"A" -> "B" -> "A"|"B" -> "A" -> "B"/);
});

test('nodes out of order are right', () => {
  const { m, g } = model();
  const relu = g.nodes.first!;
  const neg = new Node({ op: 'Neg', inputs: [g.own('y')!], outputs: ['z'] });
  g.insertBefore(relu, neg);
  expect(codes(m)).toEqual([]);
});

test('a value of a branch is out of scope outside it', () => {
  const { m, g } = model();
  const inner = new Graph('then');
  const hidden = inner.append({ op: 'Neg', inputs: [g.own('x')!], outputs: ['h'] }).outputs[0]!;
  inner.addOutput(hidden);
  g.append({
    op: 'If',
    inputs: [g.own('y')!],
    outputs: ['w'],
    attrs: [['then_branch', { kind: 'graph', value: inner }]],
  });
  expect(codes(m)).toEqual([]);
  g.append({ op: 'Relu', inputs: [hidden], outputs: ['leak'] });
  expect(codes(m)).toEqual(['LOTR2004']);
});

test('a branch that names a value like one around it is warned about', () => {
  const { m, g } = model();
  const inner = new Graph('then');
  inner.addOutput(inner.append({ op: 'Neg', inputs: [g.own('x')!], outputs: ['y'] }).outputs[0]!);
  const attrs = [['then_branch', { kind: 'graph', value: inner }]] as const;
  g.append({ op: 'If', inputs: [g.own('y')!], outputs: ['w'], attrs });
  expect(verify(m)).toMatchObject([{ code: 'LOTR2011', severity: 'warning' }]);
});

test('a tensor of the wrong length', () => {
  const { m, g } = model();
  const w = g.addInitializer('w', f32Tensor([3], [1, 2, 3]));
  Object.defineProperty(w.constant!, 'byteLength', { value: 11 });
  expect(verify(m)[0]).toMatchObject({
    code: 'LOTR2005',
    message: 'initializer "w" needs 12 bytes and has 11',
  });
});

test('missing operator sets, unknown IR versions and nameless operators', () => {
  const { m, g } = model();
  m.opsets.delete('');
  g.append({ op: '', domain: 'custom', inputs: [], outputs: ['q'] });
  m.irVersion = 99;
  expect(codes(m).sort()).toEqual(['LOTR2006', 'LOTR2008', 'LOTR2009', 'LOTR2012']);
});

test('functions that call each other in a circle', () => {
  const { m } = model();
  for (const [name, other] of [
    ['F', 'G'],
    ['G', 'F'],
  ] as const) {
    const body = new Graph(name);
    const a = body.addInput('a', null);
    body.addOutput(body.append({ op: other, domain: 'local', inputs: [a], outputs: ['b'] }).outputs[0]!);
    const fn = new GraphFunction('local', name, '', body);
    fn.opsets.set('local', 1);
    m.addFunction(fn);
  }
  expect(verify(m)[0]).toMatchObject({ code: 'LOTR2007' });
});

test('an attribute reference outside a function', () => {
  const { m, g } = model();
  g.nodes.first!.setAttr('alpha', { kind: 'ref', name: 'alpha', type: 1 });
  expect(codes(m)).toEqual(['LOTR2007']);
  g.nodes.first!.setAttr('alpha', attrInt(1));
  expect(codes(m)).toEqual([]);
});

const shared = sharedDir();
/** Files that are wrong, with the first error each must give. */
const WRONG: Readonly<Record<string, string>> = {
  'gpt2_12L_past_gemm.onnx': 'LOTR2001',
  'ort.mul_1.noopset.onnx': 'LOTR2006',
  'trt.weightless.conv.onnx': 'LOTR2005',
  'trt.weightless.matmul.bf16.onnx': 'LOTR2005',
  'trt.weightless.matmul.fp16.onnx': 'LOTR2005',
  'trt.weightless.qdq_conv.onnx': 'LOTR2005',
  'trt.weightless.sparse.conv.onnx': 'LOTR2005',
  'trt.weightless.sparse.matmul.onnx': 'LOTR2005',
  'trt.weightless.transpose_matmul.onnx': 'LOTR2005',
};
describe.runIf(shared)('real files', () => {
  const files = shared ? [...onnxFiles(join(shared, 'oracle')), ...onnxFiles(join(shared, 'models'))] : [];
  test.each(files.map((path) => [basename(path), path] as const))('%s', (name, path) => {
    let read: Model;
    try {
      read = readModel(path);
    } catch {
      return; // what reading refuses is covered by the reader's tests
    }
    const first = verify(read).find(({ severity }) => severity === 'error');
    expect(first?.code).toBe(WRONG[name]);
  });
});
