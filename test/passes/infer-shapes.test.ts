import { describe, expect, test } from 'vitest';
import { attrInt, attrInts, attrTensor } from '../../src/ir/attr.js';
import { Graph, GraphFunction, Model, type Node, type Value } from '../../src/ir/model.js';
import type { NodeInit } from '../../src/ir/node.js';
import { type Shape, shapeText, tensorType } from '../../src/ir/shape.js';
import { f32Tensor, i64Tensor } from '../../src/ir/tensor.js';
import { analyse, inferShapes } from '../../src/passes/infer-shapes.js';

function model(opset = 17, irVersion = 8): { readonly m: Model; readonly g: Graph } {
  const g = new Graph('main');
  const m = new Model(g);
  m.setOpset('', opset);
  m.irVersion = irVersion;
  return { m, g };
}

function input(g: Graph, name: string, shape: Shape | null, dtype: 'f32' | 'i64' | 'bool' = 'f32'): Value {
  return g.addInput(name, tensorType(dtype, shape));
}

let serial = 0;
/** Appends a node with one fresh output. */
function add(g: Graph, op: string, inputs: (Value | null)[], attrs: NodeInit<string>['attrs'] = []): Value {
  return g.append({ op, inputs, outputs: [`t${serial++}`], attrs }).outputs[0]!;
}

const ints = (g: Graph, ...values: number[]): Value =>
  g.addInitializer(`c${serial++}`, i64Tensor([values.length], values));
const scalarInt = (g: Graph, value: number): Value =>
  g.addInitializer(`c${serial++}`, i64Tensor([], [value]));
const shapeOf = (value: Value): string =>
  value.type?.kind === 'tensor' ? shapeText(value.type.shape) : 'unknown';

describe('integer contents', () => {
  test('carry symbolic extents through Shape, Gather, Unsqueeze and Concat into Reshape', () => {
    const { m, g } = model();
    const x = input(g, 'x', ['batch', 'seq', 96]);
    const dims = add(g, 'Shape', [x]);
    const batch = add(g, 'Unsqueeze', [add(g, 'Gather', [dims, scalarInt(g, 0)]), ints(g, 0)]);
    const seq = add(g, 'Unsqueeze', [add(g, 'Gather', [dims, scalarInt(g, -2)]), ints(g, 0)]);
    const wanted = add(g, 'Concat', [batch, seq, ints(g, 12, -1)], [['axis', attrInt(0)]]);
    const heads = add(g, 'Reshape', [x, wanted]);
    expect(inferShapes(m)).toEqual([]);
    expect(shapeOf(heads)).toBe('[batch,seq,12,8]');
    expect(shapeOf(add(g, 'Identity', [heads]))).toBe('unknown');
  });

  test('work out the one entry of a Reshape that is not known', () => {
    const { m, g } = model();
    const x = input(g, 'x', ['b', 's', 24]);
    const unknown = input(g, 'n', [1], 'i64');
    const y = add(g, 'Reshape', [
      x,
      add(g, 'Concat', [ints(g, 0, 0), unknown, ints(g, 6)], [['axis', attrInt(0)]]),
    ]);
    inferShapes(m);
    expect(shapeOf(y)).toBe('[b,s,4,6]');
  });

  test('compute with sums: causal masks over past and present', () => {
    const { m, g } = model();
    const ids = input(g, 'ids', ['b', 'seq'], 'i64');
    const past = input(g, 'past', ['b', 4, 'past', 8]);
    const seq = add(g, 'Gather', [add(g, 'Shape', [ids]), scalarInt(g, 1)]);
    const before = add(g, 'Gather', [add(g, 'Shape', [past]), scalarInt(g, 2)]);
    const total = add(g, 'Add', [seq, before]);
    const positions = add(g, 'Range', [before, total, scalarInt(g, 1)]);
    const all = add(g, 'Range', [scalarInt(g, 0), total, scalarInt(g, 1)]);
    const mask = g.addInitializer('mask', f32Tensor([1, 1, 64, 64], new Float32Array(4096).fill(1)));
    const u = (v: Value): Value => add(g, 'Unsqueeze', [v, ints(g, 0)]);
    const rows = add(g, 'Slice', [mask, u(before), u(total), ints(g, 2), ints(g, 1)]);
    inferShapes(m);
    expect(shapeOf(positions)).toBe('[seq]');
    expect(shapeOf(all)).toBe('[past + seq]');
    expect(shapeOf(rows)).toBe('[1,1,seq,64]');
  });

  test('decide the Where that exporters put before Expand', () => {
    const { m, g } = model();
    const x = input(g, 'x', ['b', 1, 's', 's']);
    const wanted = add(
      g,
      'Concat',
      [add(g, 'Slice', [add(g, 'Shape', [x]), ints(g, 0), ints(g, 1)]), ints(g, 7, -1, -1)],
      [['axis', attrInt(0)]],
    );
    const ones = add(g, 'ConstantOfShape', [ints(g, 4)], [['value', attrTensor(i64Tensor([1], [1]))]]);
    const y = add(g, 'Expand', [
      x,
      add(g, 'Where', [add(g, 'Equal', [wanted, ints(g, -1, -1, -1, -1)]), ones, wanted]),
    ]);
    inferShapes(m);
    expect(shapeOf(y)).toBe('[b,7,s,s]');
  });

  test('of an overridable initializer are not relied on, except before IR version 4', () => {
    for (const [version, shape] of [
      [8, '[?,?]'],
      [3, '[3,4]'],
    ] as const) {
      const { m, g } = model(9, version);
      const x = input(g, 'x', [2, 6]);
      const wanted = input(g, 'wanted', [2], 'i64');
      g.makeOverridable(wanted, i64Tensor([2], [3, 4]));
      const y = add(g, 'Reshape', [x, wanted]);
      inferShapes(m);
      expect(shapeOf(y)).toBe(shape);
    }
  });
});

describe('versions of the operator set', () => {
  test('decide what the same node means', () => {
    const axes = (opset: number): string => {
      const { m, g } = model(opset);
      const y = add(g, 'Unsqueeze', [input(g, 'x', ['b', 5])], [['axes', attrInts([0, -1])]]);
      inferShapes(m);
      return shapeOf(y);
    };
    expect(axes(11)).toBe('[1,b,5,1]');
    expect(axes(13)).toBe('unknown'); // an input is missing
  });

  test('broadcasting before version 7 lays b over a from an axis on', () => {
    const { m, g } = model(6);
    const a = input(g, 'a', [2, 3, 4]);
    const y = add(
      g,
      'Add',
      [a, input(g, 'b', [3])],
      [
        ['broadcast', attrInt(1)],
        ['axis', attrInt(1)],
      ],
    );
    const z = add(g, 'Add', [a, input(g, 'c', [3])], [['broadcast', attrInt(1)]]);
    expect(inferShapes(m).map((d) => d.code)).toEqual(['LOTR4101']);
    expect(shapeOf(y)).toBe('[2,3,4]');
    expect(shapeOf(z)).toBe('unknown');
  });
});

describe('what the file declares', () => {
  test('fills in what does not follow', () => {
    const { m, g } = model();
    const y = add(g, 'NonZero', [input(g, 'x', ['b', 3])]);
    y.setType(tensorType('i64', [2, 'hits']), true);
    const z = g.append({ op: 'Foo', domain: 'my.ops', inputs: [y], outputs: ['z'] }).outputs[0]!;
    z.setType(tensorType('f16', [4]), true);
    expect(inferShapes(m)).toEqual([]);
    expect(shapeOf(y)).toBe('[2,hits]');
    expect(z.type).toEqual(tensorType('f16', [4]));
  });

  test('is a warning where it contradicts, and the graph wins', () => {
    const { m, g } = model();
    const y = add(g, 'Relu', [input(g, 'x', ['b', 3])]);
    y.setType(tensorType('f32', [1, 5]), true);
    const found = inferShapes(m);
    expect(found.map((d) => [d.code, d.severity, d.message])).toEqual([
      ['LOTR4102', 'warning', `"${y.name}" is declared as float[1,5] and is float[b,3]`],
    ]);
    expect(shapeOf(y)).toBe('[b,3]');
  });

  test('stays the same object when nothing is learned, and the model is not edited', () => {
    const { m, g } = model();
    const y = add(g, 'Relu', [input(g, 'x', ['b', 3])]);
    const declared = { ...tensorType('f32', ['b', 3]), proto: new Uint8Array([1]) };
    y.setType(declared, true);
    m.edited = false;
    inferShapes(m);
    expect(y.type).toBe(declared);
    expect(m.edited || y.typeEdited || y.infoEdited).toBe(false);
  });
});

test('nodes out of order, and cycles, are handled', () => {
  const { m, g } = model();
  const x = input(g, 'x', [2, 'n']);
  const last = g.append({ op: 'Relu', inputs: [null], outputs: ['last'] }) as Node;
  const first = add(g, 'Transpose', [x]);
  last.setInput(0, first);
  const a = g.append({ op: 'Add', inputs: [x, null], outputs: ['a'] }) as Node;
  const b = add(g, 'Neg', [a.outputs[0]!]);
  a.setInput(1, b);
  inferShapes(m);
  expect(shapeOf(last.outputs[0]!)).toBe('[n,2]');
  expect(shapeOf(b)).toBe('[...]');
});

describe('subgraphs', () => {
  const branch = (outer: Value, op: string, extra: (g: Graph, v: Value) => Value = (_, v) => v): Graph => {
    const g = new Graph(op);
    g.addOutput(extra(g, add(g, op, [outer])));
    return g;
  };

  test('of If: what both branches agree on', () => {
    const { m, g } = model();
    const x = input(g, 'x', ['b', 6]);
    const make = (condition: Value): Value =>
      add(
        g,
        'If',
        [condition],
        [
          ['then_branch', { kind: 'graph', value: branch(x, 'Relu') }],
          [
            'else_branch',
            {
              kind: 'graph',
              value: branch(x, 'Neg', (h, v) => add(h, 'Concat', [v, v], [['axis', attrInt(1)]])),
            },
          ],
        ],
      );
    const either = make(input(g, 'flag', [], 'bool'));
    const flag = add(g, 'Constant', [], [['value', attrTensor(i64Tensor([], [0]))]]);
    const second = make(add(g, 'Cast', [flag], [['to', attrInt(9)]]));
    inferShapes(m);
    expect(shapeOf(either)).toBe('[b,?]');
    expect(shapeOf(second)).toBe('[b,12]');
  });

  test('of Loop: an extent that grows is unknown, one that stays is kept', () => {
    const { m, g } = model();
    const x = input(g, 'x', [1, 4]);
    const fixed = input(g, 'fixed', ['b', 2]);
    const body = new Graph('body');
    body.addInput('i', tensorType('i64', []));
    const go = body.addInput('go', tensorType('bool', []));
    const grow = body.addInput('grow', null);
    const stay = body.addInput('stay', null);
    body.addOutput(add(body, 'Identity', [go]));
    body.addOutput(add(body, 'Concat', [grow, x], [['axis', attrInt(0)]]));
    body.addOutput(add(body, 'Tanh', [stay]));
    body.addOutput(add(body, 'ReduceSum', [stay, ints(body, 1)], [['keepdims', attrInt(0)]]));
    const loop = g.append({
      op: 'Loop',
      inputs: [input(g, 'n', [], 'i64'), null, x, fixed],
      outputs: ['grown', 'stayed', 'scanned'],
      attrs: [['body', { kind: 'graph', value: body }]],
    });
    expect(inferShapes(m)).toEqual([]);
    expect(loop.outputs.map(shapeOf)).toEqual(['[?,4]', '[b,2]', '[?,b]']);
  });
});

test('functions are inferred at each call, with the attributes and constants of the call', () => {
  const { m, g } = model();
  const f = new Graph('');
  const x = f.addInput('x', null);
  const shape = f.addInput('shape', null);
  const moved = f.append({
    op: 'Transpose',
    inputs: [x],
    outputs: ['moved'],
    attrs: [['perm', { kind: 'ref', name: 'order', type: 7 }]],
  }).outputs[0]!;
  f.addOutput(add(f, 'Reshape', [moved, shape]));
  const fn = new GraphFunction('local', 'Turn', '', f);
  fn.attributes = ['order'];
  fn.opsets.set('', 17);
  m.addFunction(fn);
  const call = (perm: number[], value: Value, ...to: number[]): Node =>
    g.append({
      op: 'Turn',
      domain: 'local',
      inputs: [value, ints(g, ...to)],
      outputs: [`t${serial++}`],
      attrs: [['order', attrInts(perm)]],
    }) as Node;
  const one = call([1, 0, 2], input(g, 'a', [2, 's', 3]), 0, -1);
  const two = call([2, 1, 0], input(g, 'b', [5, 7, 3]), -1, 5);
  const { types, calls, diagnostics } = analyse(m);
  expect(diagnostics).toEqual([]);
  expect(types.get(one.outputs[0]!)).toEqual(tensorType('f32', ['s', 6]));
  expect(types.get(two.outputs[0]!)).toEqual(tensorType('f32', [21, 5]));
  expect(calls.get(two)!.types.get(moved)).toEqual(tensorType('f32', [3, 7, 5]));
  expect(moved.type).toBe(null);
});

describe('contradictions', () => {
  test.each([
    ['MatMul', [2, 3], [4, 5], 'inner extents: 3 and 4 differ'],
    ['Add', [2, 3], [4, 5], 'shapes [2,3] and [4,5] do not broadcast'],
    ['Gemm', [2, 3, 4], [4, 5], 'A of shape [2,3,4] must have rank 2'],
  ])('%s of %j and %j', (op, a, b, why) => {
    const { m, g } = model();
    const y = add(g, op, [input(g, 'a', a), input(g, 'b', b)]);
    const [found] = inferShapes(m);
    expect(found!.code).toBe('LOTR4101');
    expect(found!.message).toContain(why);
    expect(found!.at).toMatchObject({ kind: 'node', op });
    expect(y.type).toBe(null);
  });

  test('a missing attribute or input is LOTR4104', () => {
    const { m, g } = model();
    add(g, 'Concat', [input(g, 'a', [2])]);
    add(g, 'MatMul', [g.inputs[0]!]);
    expect(inferShapes(m).map((d) => d.code)).toEqual(['LOTR4104', 'LOTR4104']);
  });
});

test('LoTRLinear: the base layer decides the shape, factors must fit', () => {
  const make = (core: number[]): { y: Value; found: string[] } => {
    const { m, g } = model();
    m.setOpset('lotrc', 1);
    const f = (name: string, shape: number[]): Value =>
      g.addInitializer(name, f32Tensor(shape, new Float32Array(shape.reduce((a, b) => a * b, 1))));
    const node = g.append({
      op: 'LoTRLinear',
      domain: 'lotrc',
      inputs: [
        input(g, 'x', ['b', 's', 6]),
        f('W', [5, 6]),
        f('R', [6, 2]),
        f('M', core),
        f('L', [2, 5]),
        f('bias', [5]),
      ],
      outputs: ['y'],
      attrs: [
        ['delta', { kind: 'string', value: new TextEncoder().encode('ir,rs,so->io') }],
        ['transB', attrInt(1)],
      ],
    });
    return { found: inferShapes(m).map((d) => d.message), y: node.outputs[0]! };
  };
  expect(shapeOf(make([2, 2]).y)).toBe('[b,s,5]');
  expect(make([3, 2]).found[0]).toContain('extent r of factor 1: 2 and 3 differ');
});

// anything quadratic would end in the limit of time
test('a chain of 40,000 nodes', { timeout: 600_000 }, () => {
  const { m, g } = model();
  let x = input(g, 'x', ['b', 3]);
  for (let k = 0; k < 40_000; k++) x = add(g, k % 2 ? 'Relu' : 'Neg', [x]);
  expect(inferShapes(m)).toEqual([]);
  expect(shapeOf(x)).toBe('[b,3]');
});
