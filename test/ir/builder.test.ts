import { describe, expect, test } from 'vitest';
import { attrInt } from '../../src/ir/attr.js';
import { GraphBuilder, opsetOf } from '../../src/ir/builder.js';
import { Graph, GraphFunction, Model } from '../../src/ir/model.js';
import { f32Tensor, i64Tensor } from '../../src/ir/tensor.js';

function start(): { m: Model; g: Graph } {
  const g = new Graph('g');
  const m = new Model(g);
  m.opsets.set('', 17);
  m.opsets.set('com.microsoft', 1);
  const x = g.addInput('x', null);
  g.append({ op: 'Relu', name: 'relu', inputs: [x], outputs: ['r'] });
  g.append({ op: 'Neg', name: 'neg', inputs: [g.own('r')!], outputs: ['y'] });
  g.addOutput(g.own('y')!);
  return { m, g };
}

describe('place', () => {
  test('nodes go before the given node, in the order they are made', () => {
    const { g } = start();
    const b = new GraphBuilder(g, { before: g.own('y')!.producer, pass: 'p', from: ['relu'] });
    const abs = b.one('Abs', [g.own('r')!]);
    b.one('Exp', [abs]);
    expect([...g.nodes].map(({ op }) => op)).toEqual(['Relu', 'Abs', 'Exp', 'Neg']);
    expect(abs.producer!.origin).toEqual({ pass: 'p', from: ['relu'] });
    expect(g.own('r')!.producer!.origin.pass).toBeUndefined();
  });

  test('without a node they go to the end', () => {
    const { g } = start();
    new GraphBuilder(g, { before: null, pass: 'p' }).one('Abs', [g.own('r')!]);
    expect(g.nodes.last!.op).toBe('Abs');
    expect(g.nodes.last!.origin).toEqual({ pass: 'p', from: [] });
  });
});

describe('names', () => {
  test('an output is called like its op under the prefix, and the node like its first output', () => {
    const { g } = start();
    const b = new GraphBuilder(g, { before: null, pass: 'p', prefix: 'lotr/q' });
    const [first, second] = b.node('Split', [g.own('r')!], { axis: attrInt(1) }, { outputs: 2 });
    expect([first!.name, second!.name]).toEqual(['lotr/q/Split', 'lotr/q/Split.1']);
    expect(first!.producer!.name).toBe('lotr/q/Split');
    expect(first!.producer!.attrs.get('axis')).toEqual({ kind: 'int', value: 1 });
    const again = b.one('Split', [first!]);
    expect([again.name, again.producer!.name]).toEqual(['lotr/q/Split_1', 'lotr/q/Split_1']);
  });

  test('wished names are made unique, empty ones stay empty', () => {
    const { g } = start();
    const b = new GraphBuilder(g, { before: null, pass: 'p' });
    const outputs = b.node(
      'SkipLayerNormalization',
      [g.own('r')!, null],
      {},
      { domain: 'com.microsoft', outputs: ['r', '', 'free'], name: 'neg' },
    );
    expect(outputs.map(({ name }) => name)).toEqual(['r_1', '', 'free']);
    const node = outputs[0]!.producer!;
    expect([node.name, node.opKey]).toEqual(['neg_1', 'com.microsoft::SkipLayerNormalization']);
    expect(node.inputs).toEqual([g.own('r'), null]);
    expect(b.one('Abs', [outputs[2]!], {}, 'r').name).toBe('r_2');
  });
});

/** A branch in a branch of a graph: what the innermost builder sees. */
function deepIn(g: Graph): Graph {
  const [mid, deep] = [new Graph('mid'), new Graph('deep')];
  mid.append({ op: 'If', inputs: [], outputs: ['m'], attrs: [['b', { kind: 'graph', value: deep }]] });
  g.append({ op: 'If', inputs: [], outputs: ['t'], attrs: [['b', { kind: 'graph', value: mid }]] });
  return deep;
}

describe('constants', () => {
  test('an initializer of the outermost graph, whatever graph is built in', () => {
    const { g } = start();
    const deep = deepIn(g);
    const b = new GraphBuilder(deep, { before: null, pass: 'p' });
    const one = b.constant(f32Tensor([3], [1.5, -2, 7]), 'scale');
    const two = b.constant(i64Tensor([], [5]), 'scale');
    expect([one.graph, two.graph, one.name, two.name]).toEqual([g, g, 'scale', 'scale_1']);
    expect([...g.initializers.keys()]).toEqual(['scale', 'scale_1']);
    expect(deep.initializers.size).toBe(0);
    expect(deep.find('scale')).toBe(one);
    expect(two.type).toEqual({ kind: 'tensor', dtype: 'i64', shape: [] });
  });

  test('a Constant node in a function, which may have no initializers', () => {
    const { m } = start();
    const body = new Graph('body');
    const fn = new GraphFunction('local', 'F', '', body);
    fn.opsets.set('', 13);
    m.addFunction(fn);
    const value = new GraphBuilder(body, { before: null, pass: 'p' }).constant(f32Tensor([1], [4]), 'four');
    expect([value.name, value.producer!.op, body.initializers.size]).toEqual(['four', 'Constant', 0]);
  });
});

test('the operator set is that of the model, or of the function the graph is nested in', () => {
  const { m, g } = start();
  const body = new Graph('body');
  const fn = new GraphFunction('local', 'F', '', body);
  fn.opsets.set('', 13);
  m.addFunction(fn);
  expect(opsetOf(deepIn(g))).toBe(17);
  expect(opsetOf(deepIn(body))).toBe(13);
  expect([opsetOf(g, 'com.microsoft'), opsetOf(body, 'com.microsoft'), opsetOf(g, 'other')]).toEqual([
    1, 0, 0,
  ]);
  expect(opsetOf(new Graph('alone'))).toBe(0);
  expect(new GraphBuilder(body, { before: null, pass: 'p' }).opset).toBe(13);
});
