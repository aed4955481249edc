import { describe, expect, test } from 'vitest';
import { Graph, type Node, type Value } from '../../src/ir/model.js';
import { isInOrder, sourcesOf, topologicalOrder } from '../../src/ir/topo.js';

/** Nodes in file order, each `name: what it reads`; readers may be before what they read. */
function graphOf(rows: readonly (readonly [string, readonly string[]])[]): {
  g: Graph;
  by: Map<string, Node>;
} {
  const g = new Graph('g');
  const by = new Map<string, Node>();
  for (const [name] of rows) by.set(name, g.append({ op: 'Op', name, inputs: [], outputs: [name] }));
  for (const [name, reads] of rows) {
    for (const [i, read] of reads.entries()) by.get(name)!.setInput(i, by.get(read)!.outputs[0]!);
  }
  return { g, by };
}
const order = (g: Graph): string =>
  topologicalOrder(g)
    .map(({ name }) => name)
    .join(' ');

/** An If whose branch has a branch that reads `captured`. */
function capture(g: Graph, name: string, captured: Value): Node {
  const [mid, deep] = [new Graph('mid'), new Graph('deep')];
  deep.append({ op: 'Neg', inputs: [captured], outputs: [`${name}.deep`] });
  mid.append({
    op: 'If',
    inputs: [],
    outputs: [`${name}.mid`],
    attrs: [['then_branch', { kind: 'graph', value: deep }]],
  });
  return g.append({
    op: 'If',
    name,
    inputs: [],
    outputs: [name],
    attrs: [['then_branch', { kind: 'graph', value: mid }]],
  });
}

describe('order', () => {
  test('nodes keep their file order where the edges allow it', () => {
    const { g } = graphOf([
      ['d', ['b']],
      ['a', []],
      ['c', ['a']],
      ['b', ['e', 'e']],
      ['e', []],
      ['f', []],
    ]);
    expect(isInOrder(g)).toBe(false);
    expect(order(g)).toBe('a c e b d f');
  });

  test('a graph in order keeps its order', () => {
    const { g } = graphOf([
      ['z', []],
      ['y', ['z']],
      ['x', []],
    ]);
    expect(isInOrder(g)).toBe(true);
    expect(order(g)).toBe('z y x');
  });

  test('a value that a nested branch captures counts as read', () => {
    const g = new Graph('g');
    const late = g.append({ op: 'Op', name: 'late', inputs: [], outputs: ['late'] });
    const reader = capture(g, 'reader', late.outputs[0]!);
    expect(sourcesOf(reader, g)).toEqual(new Set([late]));
    expect(isInOrder(g)).toBe(true);
    g.moveBefore(late, reader);
    expect(isInOrder(g)).toBe(false);
    expect(order(g)).toBe('late reader');
  });

  test('a branch that only names an outer value as its output reads it', () => {
    const g = new Graph('g');
    const late = g.append({ op: 'Op', name: 'late', inputs: [], outputs: ['late'] });
    const branch = new Graph('branch');
    branch.addOutput(late.outputs[0]!);
    const reader = g.append({
      op: 'If',
      name: 'reader',
      inputs: [],
      outputs: ['r'],
      attrs: [['then_branch', { kind: 'graph', value: branch }]],
    });
    g.moveBefore(late, reader);
    expect(order(g)).toBe('late reader');
  });

  test('nodes on a cycle, and those after it, come last in file order', () => {
    const { g } = graphOf([
      ['behind', ['two']],
      ['two', ['one']],
      ['one', ['two']],
      ['free', []],
      ['self', ['self']],
      ['also', ['free']],
    ]);
    expect(isInOrder(g)).toBe(false);
    expect(order(g)).toBe('free also behind two one self');
  });

  test('a branch that captures an output of its own node is a cycle', () => {
    const g = new Graph('g');
    const branch = new Graph('branch');
    const holder = g.append({
      op: 'If',
      name: 'holder',
      inputs: [],
      outputs: ['h'],
      attrs: [['then_branch', { kind: 'graph', value: branch }]],
    });
    branch.append({ op: 'Neg', inputs: [holder.outputs[0]!], outputs: ['n'] });
    expect(isInOrder(g)).toBe(false);
    expect(sourcesOf(holder, g).has(holder)).toBe(true);
  });
});

test('random graphs: every node follows what it reads, and no swap of neighbours is nearer to file order', () => {
  for (let seed = 1; seed <= 40; seed++) {
    let state = seed;
    const below = (n: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * n);
    };
    const size = 3 + below(25);
    const shuffled = Array.from({ length: size }, (_, i) => i);
    for (let i = size - 1; i > 0; i--) {
      const j = below(i + 1);
      [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
    }
    const { g } = graphOf(
      shuffled.map((n) => [`${n}`, n === 0 ? [] : Array.from({ length: below(3) }, () => `${below(n)}`)]),
    );
    const found = topologicalOrder(g);
    const file = new Map([...g.nodes].map((node, i) => [node, i]));
    const placed = new Map(found.map((node, i) => [node, i]));
    expect(placed.size).toBe(size);
    for (const node of found) {
      for (const source of sourcesOf(node, g)) expect(placed.get(source)!).toBeLessThan(placed.get(node)!);
    }
    for (let i = 1; i < size; i++) {
      const [left, right] = [found[i - 1]!, found[i]!];
      if (file.get(left)! > file.get(right)!) expect(sourcesOf(right, g).has(left)).toBe(true);
    }
  }
});

// anything quadratic would end in the limit of time
test('100,000 nodes in reverse order and a chain of that depth', { timeout: 600_000 }, () => {
  const count = 100_000;
  const g = new Graph('g');
  const nodes = Array.from({ length: count }, (_, i) =>
    g.append({ op: 'Op', inputs: [], outputs: [`v${i}`] }),
  );
  for (let i = 0; i + 1 < count; i++) nodes[i]!.setInput(0, nodes[i + 1]!.outputs[0]!);
  const found = topologicalOrder(g);
  expect(found.length).toBe(count);
  expect(found[0]).toBe(nodes[count - 1]);
  expect(found[count - 1]).toBe(nodes[0]);
});
