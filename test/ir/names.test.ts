import { expect, test } from 'vitest';
import { Graph, GraphFunction, Model, Node } from '../../src/ir/model.js';
import { Names } from '../../src/ir/names.js';
import { f32Tensor } from '../../src/ir/tensor.js';

test('a fresh name is the hint while free, then numbered, and never given twice', () => {
  const names = new Names();
  names.reserveValue('h_2');
  expect(Array.from({ length: 4 }, () => names.freshValue('h'))).toEqual(['h', 'h_1', 'h_3', 'h_4']);
  expect(names.freshValue('h_1')).toBe('h_1_1');
  expect([names.freshValue(''), names.freshValue('')]).toEqual(['v', 'v_1']);
  expect([names.freshNode(''), names.freshNode('')]).toEqual(['n', 'n_1']);
});

test('values and nodes have separate names, and an empty name is not a name', () => {
  const names = new Names();
  expect([names.freshValue('a'), names.freshNode('a'), names.freshValue('a')]).toEqual(['a', 'a', 'a_1']);
  names.reserveValue('');
  expect(names.hasValue('')).toBe(false);
});

test('10,000 names of one hint are all different', () => {
  const names = new Names();
  const made = new Set(Array.from({ length: 10_000 }, (_, i) => names.freshValue(i % 2 ? 'x' : 'x_1')));
  expect(made.size).toBe(10_000);
});

/** A main graph with a branch in a branch. */
function nested(): { main: Graph; mid: Graph; deep: Graph } {
  const [main, mid, deep] = [new Graph('main'), new Graph('mid'), new Graph('deep')];
  const c = main.addInput('c', null);
  deep.append({ op: 'Neg', name: 'deep-node', inputs: [c], outputs: ['d'] });
  mid.append({
    op: 'If',
    name: 'mid-node',
    inputs: [c],
    outputs: ['m'],
    attrs: [['then_branch', { kind: 'graph', value: deep }]],
  });
  main.append({
    op: 'If',
    name: 'top-node',
    inputs: [c],
    outputs: ['t'],
    attrs: [['then_branch', { kind: 'graph', value: mid }]],
  });
  return { main, mid, deep };
}

test('one authority serves a graph and everything nested in it', () => {
  const { main, mid, deep } = nested();
  expect(mid.names).toBe(main.names);
  expect(deep.names).toBe(main.names);
  expect(['c', 'd', 'm', 't'].map((name) => main.names.freshValue(name))).toEqual([
    'c_1',
    'd_1',
    'm_1',
    't_1',
  ]);
  expect(main.names.freshNode('deep-node')).toBe('deep-node_1');
  expect(deep.names.freshValue('c')).toBe('c_2');
});

test('names given after the allocator was first used are known to it', () => {
  const { main, mid, deep } = nested();
  const { names } = main;
  deep.append({ op: 'Abs', name: 'late-node', inputs: [], outputs: ['late'] });
  mid.addInitializer('weight', f32Tensor([2], [3, 4]));
  main.own('t')!.rename('renamed');
  main.nodes.first!.rename('other-node');
  const inner = new Graph('attached');
  inner.append({ op: 'Exp', name: 'inside-node', inputs: [], outputs: ['inside'] });
  main.attach(
    new Node({
      op: 'If',
      inputs: [],
      outputs: ['q'],
      attrs: [['then_branch', { kind: 'graph', value: inner }]],
    }),
  );
  for (const name of ['late', 'weight', 'renamed', 't', 'inside', 'q']) {
    expect(names.hasValue(name), name).toBe(true);
  }
  for (const name of ['late-node', 'other-node', 'inside-node']) {
    expect(names.freshNode(name), name).toBe(`${name}_1`);
  }
});

test('an erased name stays reserved until names are renewed', () => {
  const g = new Graph('g');
  expect(g.names.hasValue('gone')).toBe(false);
  g.erase(g.append({ op: 'Neg', inputs: [], outputs: ['gone'] }));
  expect(g.own('gone')).toBeUndefined();
  expect(g.names.freshValue('gone')).toBe('gone_1');
  g.renewNames();
  expect(g.names.freshValue('gone')).toBe('gone');
});

test('a function body has names of its own', () => {
  const main = new Graph('main');
  const body = new Graph('body');
  const model = new Model(main);
  main.addInput('x', null);
  body.addInput('x', null);
  model.addFunction(new GraphFunction('local', 'F', '', body));
  expect(body.names).not.toBe(main.names);
  expect([body.names.freshValue('y'), main.names.freshValue('y')]).toEqual(['y', 'y']);
  expect([body.names.freshValue('x'), main.names.freshValue('x')]).toEqual(['x_1', 'x_1']);
});
