import { describe, expect, test } from 'vitest';
import { type Attr, attrFloat, attrInt, attrInts, attrString } from '../../../src/ir/attr.js';
import type { LotrcError } from '../../../src/ir/diagnostics.js';
import { Graph, Model, type Node, type OpName } from '../../../src/ir/model.js';
import { attrsOf, nodeOpset, opVersion } from '../../../src/ir/ops/core/attrs.js';

function node<Op extends OpName>(op: Op, opset: number, attrs: Record<string, Attr> = {}): Node<Op> {
  const graph = new Graph('g');
  new Model(graph).setOpset('', opset);
  return graph.append({ op, inputs: [], outputs: ['y'], attrs: Object.entries(attrs) });
}

describe('attrsOf', () => {
  test('fills in the defaults of the version', () => {
    expect(attrsOf(node('Softmax', 12)).axis).toBe(1);
    expect(attrsOf(node('Softmax', 13)).axis).toBe(-1);
    expect(attrsOf(node('Gemm', 13, { transB: attrInt(1) }))).toEqual({
      alpha: 1,
      beta: 1,
      transA: 0,
      transB: 1,
    });
    expect(attrsOf(node('Selu', 6)).alpha).toBeCloseTo(1.6732632, 6);
  });

  test('leaves out what has no default', () => {
    expect(Object.keys(attrsOf(node('Squeeze', 11)))).toEqual([]);
    expect(attrsOf(node('Squeeze', 11, { axes: attrInts([2n, -1]) })).axes).toEqual([2, -1]);
  });

  test('gives text and plain numbers', () => {
    expect(attrsOf(node('Gelu', 20, { approximate: attrString('tanh') })).approximate).toBe('tanh');
    expect(attrsOf(node('LeakyRelu', 16, { alpha: attrFloat(0.25) })).alpha).toBe(0.25);
  });

  test('refuses another type with LOTR4103', () => {
    try {
      attrsOf(node('Gather', 13, { axis: attrFloat(1) }));
      expect.unreachable();
    } catch (error) {
      expect((error as LotrcError).diagnostics[0]!.code).toBe('LOTR4103');
    }
  });

  test('resolves references from the given attributes, and treats them as absent without', () => {
    const ref = node('Gather', 13, { axis: { kind: 'ref', name: 'dim', type: 2 } });
    expect(attrsOf(ref).axis).toBe(0);
    expect(attrsOf(ref, { opset: 13, attrs: new Map([['axis', attrInt(2)]]) }).axis).toBe(2);
  });
});

test('the operator set of a node is that of its domain; 1 when it is not imported', () => {
  const n = node('Relu', 17);
  expect(nodeOpset(n)).toBe(17);
  expect(
    nodeOpset(n.graph!.append({ op: 'Gelu', domain: 'com.microsoft', inputs: [], outputs: ['z'] })),
  ).toBe(1);
});

test('schema versions', () => {
  expect(opVersion('Clip', 12)?.in).toEqual([1, 3]);
  expect(opVersion('Clip', 10)?.in).toEqual([1, 1]);
  expect(opVersion('Gelu', 19)).toBe(undefined);
  expect(opVersion('com.microsoft::FusedMatMul', 1)?.attrs.transA?.default).toBe(0);
  expect(opVersion('toString', 1)).toBe(undefined);
});
