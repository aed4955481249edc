import { describe, expect, test } from 'vitest';
import { Node } from '../../src/ir/model.js';
import { NodeList } from '../../src/ir/node-list.js';

const node = (name: string): Node => new Node({ op: 'Op', name, inputs: [], outputs: [] });
const names = (nodes: Iterable<Node>): string => [...nodes].map(({ name }) => name).join('');

/** A list of nodes a, b, c, ... and the nodes by name. */
function listOf(letters: string): { list: NodeList; by: Record<string, Node> } {
  const list = new NodeList();
  const by: Record<string, Node> = {};
  for (const letter of letters) list.append((by[letter] = node(letter)));
  return { list, by };
}

/** The order of a walk that does `at[name]` when it reaches that node. */
function walk(nodes: Iterable<Node>, at: Record<string, () => void>): string {
  let seen = '';
  for (const { name } of nodes) {
    seen += name;
    at[name]?.();
  }
  return seen;
}

describe('a list that changes while it is walked', () => {
  test('a node inserted after the cursor is visited', () => {
    const { list, by } = listOf('abc');
    expect(walk(list, { b: () => list.insertAfter(by.b!, node('x')) })).toBe('abxc');
    expect(walk(list, { c: () => list.append(node('y')) })).toBe('abxcy');
    expect(names(list)).toBe('abxcy');
  });

  test('a node inserted before the cursor is not visited', () => {
    const { list, by } = listOf('abc');
    expect(walk(list, { b: () => list.insertBefore(by.b!, node('x')) })).toBe('abc');
    expect(names(list)).toBe('axbc');
  });

  test('a node moved under the cursor: the walk goes on from its original place', () => {
    for (const [target, order, seen] of [
      ['d', 'acbd', 'abcbd'], // moved ahead: it is met again there
      ['a', 'bacd', 'abcd'], // moved back: nothing is met twice
    ] as const) {
      const { list, by } = listOf('abcd');
      let moved = false;
      const move = (): void => {
        if (moved) return;
        moved = true;
        list.remove(by.b!);
        list.insertBefore(by[target]!, by.b!);
      };
      expect(walk(list, { b: move })).toBe(seen);
      expect(names(list)).toBe(order);
    }
  });

  test('an erased node is not visited, and neighbours erased together do not end the walk', () => {
    const { list, by } = listOf('abcdef');
    const drop = (...gone: string[]) => {
      for (const name of gone) list.remove(by[name]!);
    };
    expect(walk(list, { b: () => drop('b', 'c', 'd') })).toBe('abef');
    expect(names(list)).toBe('aef');
    expect(walk(list.reversed(), { e: () => drop('a', 'e') })).toBe('fe');
    expect(names(list)).toBe('f');
  });
});

test('size, first, last, after and reversed follow every change', () => {
  const { list, by } = listOf('abc');
  expect([list.size, list.first, list.last, list.after(by.a!)]).toEqual([3, by.a, by.c, by.b]);
  expect(list.after(by.c!)).toBeNull();
  expect(names(list.reversed())).toBe('cba');
  list.remove(by.a!);
  list.remove(by.c!);
  expect([list.size, list.first, list.last]).toEqual([1, by.b, by.b]);
  expect([list.has(by.a!), list.has(by.b!)]).toEqual([false, true]);
  list.remove(by.b!);
  expect([list.size, list.first, list.last, names(list), names(list.reversed())]).toEqual([
    0,
    null,
    null,
    '',
    '',
  ]);
});

test('a node is in one list only, and only its own list lets go of it', () => {
  const { list, by } = listOf('ab');
  const other = new NodeList();
  expect(() => other.append(by.a!)).toThrow('already in a graph');
  expect(() => other.remove(by.a!)).toThrow('not in this graph');
  expect(() => list.insertBefore(node('z'), node('x'))).toThrow('"z" (Op) is not in this graph');
  list.remove(by.a!);
  other.append(by.a!);
  expect([names(list), names(other)]).toEqual(['b', 'a']);
});

test('a thousand random edits leave what the same edits leave of an array', () => {
  let state = 7;
  const below = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const list = new NodeList();
  const plain: Node[] = [];
  for (let i = 0; i < 1000; i++) {
    const fresh = node(`${i}`);
    const at = below(plain.length);
    const kind = plain.length === 0 ? 0 : below(5);
    if (kind === 0) list.append(fresh);
    else if (kind === 1) list.insertBefore(plain[at]!, fresh);
    else if (kind === 2) list.insertAfter(plain[at]!, fresh);
    else list.remove(plain[at]!);
    if (kind === 0) plain.push(fresh);
    else if (kind <= 2) plain.splice(at + kind - 1, 0, fresh);
    else plain.splice(at, 1);
    expect(list.size).toBe(plain.length);
  }
  expect([...list]).toEqual(plain);
  expect([...list.reversed()]).toEqual(plain.reverse());
});
