import { describe, expect, test } from 'vitest';
import { attrFloat, attrInt, attrInts, attrString, attrTensor, type HeldAttr } from '../../../src/ir/attr.js';
import { Graph, GraphFunction, Model } from '../../../src/ir/model.js';
import { tensorType } from '../../../src/ir/shape.js';
import { ComputedTensor, f32Tensor, i64Tensor, MemoryTensor, StringTensor } from '../../../src/ir/tensor.js';
import { parseModel, printModel } from '../../../src/ir/text/index.js';

/** The graph part of the text, after checking that parsing it gives the same text. */
function printed(graph: Graph): string {
  const text = printModel(new Model(graph));
  expect(printModel(parseModel(text))).toBe(text);
  return text.slice(text.indexOf('>') + 2);
}

/** One node `y = Op <attrs> ()`. */
function attrs(...list: readonly (readonly [string, HeldAttr])[]) {
  const graph = new Graph('g');
  graph.append({ op: 'Op', inputs: [], outputs: ['y'], attrs: list });
  return printed(graph).split('\n')[1];
}

test('a linear layer: label, initializers in order, inner types, quoted names', () => {
  const graph = new Graph('main');
  const x = graph.addInput('x', tensorType('f32', ['batch', null, 3]));
  const w = graph.addInitializer('blk.0.q.weight', f32Tensor([3, 2], [1, -2.5, 0.1, 1e-7, 3e38, -0]));
  const b = graph.addInitializer('float', f32Tensor([2], [0.5, Number.NaN]));
  const h = graph.append({ op: 'MatMul', name: 'blk.0.q', inputs: [x, w], outputs: ['h'] });
  h.outputs[0]!.setType(tensorType('f32', null));
  const y = graph.append({ op: 'Add', name: 'add', inputs: [h.outputs[0]!, b], outputs: ['y'] });
  graph.addOutput(y.outputs[0]!);
  expect(printed(graph)).toMatchInlineSnapshot(`
    "main (float[batch,?,3] x) => (y) <
      float[3,2] "blk.0.q.weight" = {1.0, -2.5, 0.1, 1e-7, 3e+38, -0.0},
      float[2] "float" = {0.5, nan},
      float[] h
    > {
      ["blk.0.q"] h = MatMul (x, "blk.0.q.weight")
      [add] y = Add (h, "float")
    }
    "
  `);
});

test('nodes print in topological order, otherwise in the order of the file; names do not change', () => {
  const graph = new Graph('g');
  const x = graph.addInput('x', null);
  const last = graph.append({ op: 'Neg', inputs: [], outputs: ['y'] });
  graph.append({ op: 'Zero', inputs: [x], outputs: ['z'] });
  const first = graph.append({ op: 'Abs', inputs: [x], outputs: ['a'] });
  last.setInput(0, first.outputs[0]!);
  expect(printed(graph)).toMatchInlineSnapshot(`
    "g (x) => () {
      z = Zero (x)
      a = Abs (x)
      y = Neg (a)
    }
    "
  `);
});

test('a node with a subgraph comes after what the subgraph reads', () => {
  const graph = new Graph('g');
  const cond = graph.addInput('cond', tensorType('bool', []));
  const branch = new Graph('then');
  const node = graph.append({
    op: 'If',
    inputs: [cond],
    outputs: ['y'],
    attrs: [['then_branch', { kind: 'graph', value: branch }]],
  });
  const outer = graph.append({ op: 'Relu', inputs: [cond], outputs: ['h'] });
  branch.addOutput(branch.append({ op: 'Neg', inputs: [outer.outputs[0]!], outputs: ['n'] }).outputs[0]!);
  graph.addOutput(node.outputs[0]!);
  expect(printed(graph)).toMatchInlineSnapshot(`
    "g (bool cond) => (y) {
      h = Relu (cond)
      y = If (cond) <
        then_branch = then () => (n) {
          n = Neg (h)
        }
      >
    }
    "
  `);
});

test('a cycle keeps its order', () => {
  const graph = new Graph('g');
  const a = graph.append({ op: 'A', inputs: [], outputs: ['a'] });
  const b = graph.append({ op: 'B', inputs: [a.outputs[0]!], outputs: ['b'] });
  a.setInput(0, b.outputs[0]!);
  expect(printed(graph)).toMatchInlineSnapshot(`
    "g () => () {
      a = A (b)
      b = B (a)
    }
    "
  `);
});

describe('attributes', () => {
  test('ints and floats stay apart', () => {
    expect(attrs(['i', attrInt(1)], ['f', attrFloat(1)], ['is', attrInts([-1, 2n ** 63n - 1n])])).toBe(
      '  y = Op <i = 1, f = 1.0, is = [-1, 9223372036854775807]> ()',
    );
  });
  test('floats are the shortest that read back', () => {
    const value = [0.1, 1e21, 1e-45, 3.4028234663852886e38, Number.NEGATIVE_INFINITY, -0, 16777216].map(
      Math.fround,
    );
    expect(attrs(['f', { kind: 'floats', value }])).toBe(
      '  y = Op <f = [0.1, 1e+21, 1e-45, 3.4028235e+38, -inf, -0.0, 16777216.0]> ()',
    );
  });
  test('empty lists say their type', () => {
    expect(attrs(['a', { kind: 'floats', value: [] }], ['b', { kind: 'strings', value: [] }])).toBe(
      '  y = Op <a: floats = [], b: strings = []> ()',
    );
  });
  test('strings: quotes, controls, UTF-8 and bytes that are not UTF-8', () => {
    const value = Uint8Array.of(0xff, 0x00);
    expect(attrs(['a', attrString('say "hi"\\\n\u00e9')], ['b', { kind: 'string', value }])).toBe(
      '  y = Op <a = "say \\"hi\\"\\\\\\n\\xc3\\xa9", b = "\\xff\\x00"> ()',
    );
  });
  test('tensors, with a name when they have one; references; carried types', () => {
    expect(
      attrs(
        ['t', attrTensor(i64Tensor([], [7]))],
        ['ts', { kind: 'tensors', value: [f32Tensor([1, 2], [1, 2])] }],
      ),
    ).toBe('  y = Op <t = int64 {7}, ts = [float[1,2] {1.0, 2.0}]> ()');
    expect(attrs(['s', { kind: 'ref', name: 'scale', type: 1 }], ['q', { kind: 'raw', type: 13 }])).toBe(
      '  y = Op <s: float = @scale, q: type_proto = proto("")> ()',
    );
  });
});

test('omitted inputs and outputs, domains, overloads, names that are not identifiers', () => {
  const graph = new Graph('torch.export');
  const x = graph.addInput('x:0', null);
  graph.append({ op: 'Resize', inputs: [x, null, null, x, null], outputs: ['', 'b'] });
  graph.append({ op: 'Gelu', domain: 'com.microsoft', overload: 'v.2', inputs: [], outputs: ['c'] });
  graph.append({ op: 'Op-1', domain: 'my-domain', inputs: [], outputs: [] });
  expect(printed(graph)).toMatchInlineSnapshot(`
    ""torch.export" ("x:0") => () {
      "", b = Resize ("x:0", "", "", "x:0", "")
      c = com.microsoft.Gelu:"v.2" ()
      = "my-domain"."Op-1" ()
    }
    "
  `);
});

test('types: scalars, unknown rank, odd dimensions, sequences, raw bytes', () => {
  const graph = new Graph('g');
  graph.addInput('a', tensorType('f16', []));
  graph.addInput('b', tensorType('opaque:99', [0, 'seq', '2*n', null]));
  graph.addInput('c', { kind: 'raw', proto: Buffer.from('220c0a0a0a080801120412020a00', 'hex') });
  graph.addInput('d', { kind: 'raw', proto: Buffer.from('220a0a080a0608071202' + '0a00', 'hex') });
  graph.addInput('e', { kind: 'raw', proto: Buffer.from('3200', 'hex') });
  expect(printed(graph).split('\n').slice(1, 6).join('\n')).toMatchInlineSnapshot(`
    "  float16 a,
      opaque_99[0,seq,"2*n",?] b,
      proto("220c0a0a0a080801120412020a00") c,
      seq(int64[?]) d,
      proto("3200") e"
  `);
});

test('element types: 4-bit, 8-bit floats, halves, booleans, strings, complex', () => {
  const graph = new Graph('g');
  const bytes = (...list: number[]) => Uint8Array.from(list);
  graph.addInitializer('i4', new MemoryTensor('i4', [3], bytes(0x7f, 0x08)));
  graph.addInitializer('f8', new MemoryTensor('f8e4m3fn', [2], bytes(0x38, 0xff)));
  graph.addInitializer(
    'f16',
    new MemoryTensor('f16', [4], bytes(0x66, 0x2e, 0x00, 0xfc, 0x01, 0x00, 0x01, 0x7c)),
  );
  graph.addInitializer('bf16', new MemoryTensor('bf16', [2], bytes(0xc8, 0x42, 0x80, 0x00)));
  graph.addInitializer('odd', new MemoryTensor('bool', [2], bytes(1, 2)));
  graph.addInitializer('s', new StringTensor([2], [Buffer.from('a"b'), bytes(0xe9)]));
  graph.addInitializer('c', new MemoryTensor('c64', [], bytes(0, 0, 128, 63, 0, 0, 0, 64)));
  expect(printed(graph).split('\n').slice(1, 8).join('\n')).toMatchInlineSnapshot(`
    "  int4[3] i4 = {-1, 7, -8},
      float8e4m3fn[2] f8 = {56, 255},
      float16[4] f16 = {0.1, -inf, 6e-8, 31745},
      bfloat16[2] bf16 = {100.0, 1.18e-38},
      bool[2] odd = ["raw_data": "0102"],
      string[2] s = {"a\\"b", "\\xe9"},
      complex64 c = ["raw_data": "0000803f00000040"]"
  `);
});

test('NaN payloads are exact, floats and doubles', () => {
  const graph = new Graph('g');
  graph.addInitializer('a', new MemoryTensor('f32', [2], Uint8Array.of(0, 0, 192, 255, 0, 0, 192, 127)));
  graph.addInitializer('b', new MemoryTensor('f32', [1], Uint8Array.of(1, 0, 192, 127)));
  graph.addInitializer('d', new MemoryTensor('f64', [1], new Uint8Array(Float64Array.of(0.1).buffer)));
  expect(printed(graph).split('\n').slice(1, 4).join('\n')).toMatchInlineSnapshot(`
    "  float[2] a = {-nan, nan},
      float[1] b = ["raw_data": "0100c07f"],
      double[1] d = {0.1}"
  `);
});

test('an initializer that is an input; types that differ from the data; 9 elements are shown by checksum', () => {
  const graph = new Graph('g');
  const w = graph.addInput('w', tensorType('f32', ['n', 2]));
  graph.makeOverridable(w, f32Tensor([1, 2], [3, 4]));
  const v = graph.addInitializer('v', f32Tensor([9], [1, 2, 3, 4, 5, 6, 7, 8, 9]));
  v.setType(tensorType('f32', ['m']));
  graph.addInitializer('r', new ComputedTensor('f32', [3, 3], 'test', () => new Uint8Array(36)));
  graph.addOutput(w);
  expect(printed(graph)).toMatchInlineSnapshot(`
    "g (float[n,2] w) => (float[n,2] w) <
      float[1,2] w = {3.0, 4.0},
      float[9] v = ["checksum": "sha256:5d67babd46a9c7e7aa96dfb613b6b4d3"],
      float[3,3] r = ["checksum": "sha256:9d3c9d2897ccc2ec8e265e4d47261ee6"],
      float[m] v
    > {
    }
    "
  `);
});

test('documentation and metadata of everything', () => {
  const graph = new Graph('g');
  graph.docString = 'the graph';
  const x = graph.addInput('x', tensorType('i64', []));
  x.docString = 'the input';
  const node = graph.append({
    op: 'Op',
    inputs: [x],
    outputs: ['y'],
    attrs: [['axis', { ...attrInt(3), docString: 'last' }]],
    origin: { from: ['old'], pass: 'simplify' },
  });
  node.docString = 'two\nlines';
  node.metadata = new Map([['namespace', 'm: Module/q']]);
  node.outputs[0]!.metadata = new Map([['pkg', '']]);
  expect(printed(graph)).toMatchInlineSnapshot(`
    "g (int64 x) => () {
      #@ graph doc_string: "the graph"
      #@ value x doc_string: "the input"
      #@ value y metadata_props: ["pkg": ""]
      #@ doc_string: "two\\nlines", metadata_props: ["namespace": "m: Module/q"]
      #@ attr axis doc_string: "last"
      y = Op <axis = 3> (x)
    }
    "
  `);
  const origins = printModel(new Model(graph), { origins: true });
  expect(origins).toContain('  #@ origin: ["old"], pass: "simplify"\n');
  expect(printModel(parseModel(origins), { origins: true })).toBe(origins);
});

test('header and functions', () => {
  const model = new Model(new Graph('g'));
  model.irVersion = 8;
  model.producerName = 'me';
  model.modelVersion = 2n ** 62n;
  model.setOpset('', 17);
  model.setMetadata('k', 'v: "w"');
  const body = new Graph('');
  const x = body.addInput('x', null);
  body.addOutput(
    body.append({
      op: 'Op',
      inputs: [x],
      outputs: ['y'],
      attrs: [['a', { kind: 'ref', name: 'alpha', type: 1 }]],
    }).outputs[0]!,
  );
  const fn = new GraphFunction('local', 'Scaled', 'f32', body);
  fn.opsets.set('', 17);
  fn.attributes = ['beta'];
  fn.defaults = [['alpha', attrFloat(0.25)]];
  fn.metadata = new Map([['from', 'here']]);
  model.addFunction(fn);
  const text = printModel(model);
  expect(printModel(parseModel(text))).toBe(text);
  expect(text.slice(0, text.indexOf('g ()'))).toMatchInlineSnapshot(`
    "<
      ir_version: 8,
      opset_import: ["" : 17],
      producer_name: "me",
      model_version: 4611686018427387904,
      metadata_props: ["k": "v: \\"w\\""]
    >
    "
  `);
  expect(text.slice(text.indexOf('g ()'))).toMatchInlineSnapshot(`
    "g () => () {
    }
    <
      domain: "local",
      overload: "f32",
      opset_import: ["" : 17]
    >
    Scaled <beta, alpha = 0.25> (x) => (y) {
      #@ function metadata_props: ["from": "here"]
      y = Op <a: float = @alpha> (x)
    }
    "
  `);
});

test('long signatures have one value per line', () => {
  const graph = new Graph('g');
  for (const name of ['input_ids', 'attention_mask', 'token_type_ids'])
    graph.addInput(name, tensorType('i64', ['batch_size', 'sequence_length']));
  expect(printed(graph)).toMatchInlineSnapshot(`
    "g (
      int64[batch_size,sequence_length] input_ids,
      int64[batch_size,sequence_length] attention_mask,
      int64[batch_size,sequence_length] token_type_ids
    ) => () {
    }
    "
  `);
});
