import { describe, expect, test } from 'vitest';
import { attrFloat, attrInt, attrInts } from '../../../src/ir/attr.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { readModelBytes } from '../../../src/ir/onnx/reader.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { i64Tensor } from '../../../src/ir/tensor.js';
import { toF32 } from '../../../src/ir/values.js';
import { insertAdapters } from '../../../src/passes/adapters/insert.js';
import { lowerAdapters } from '../../../src/passes/adapters/lower.js';
import { mergeAdapters } from '../../../src/passes/adapters/merge.js';
import { shareFactors } from '../../../src/passes/adapters/share-factors.js';
import { requirePlan } from '../../../src/passes/plan/plan.js';
import { floats, planned } from '../../support/layers.js';
import { f32, maxDifference, relativeError, runOrt } from '../../support/ort.js';

/** An empty model of operator set 17. */
function empty(): { model: Model; graph: Graph } {
  const graph = new Graph('main');
  const model = new Model(graph);
  model.setOpset('', 17);
  model.setIrVersion(8);
  return { model, graph };
}

const x = f32([3, 6], 5);

/** Runs the adapted and the merged model and compares all their outputs. */
async function compare(make: () => Model): Promise<Model> {
  const model = make();
  insertAdapters(model, planned(model));
  lowerAdapters(model, 'fold');
  shareFactors(model);
  const adapted = await runOrt(encodeModel(model), { x }, { level: 'disabled' });
  const base = await runOrt(encodeModel(make()), { x }, { level: 'disabled' });
  const merged = readModelBytes(encodeModel(model));
  mergeAdapters(merged);
  const result = await runOrt(encodeModel(merged), { x }, { level: 'disabled' });
  expect(Object.keys(result)).toEqual(Object.keys(base));
  for (const name of Object.keys(result)) {
    expect(relativeError(result[name]!.data, adapted[name]!.data)).toBeLessThan(1e-6);
  }
  expect(maxDifference(result.y!, base.y!)).toBeGreaterThan(0.1);
  return merged;
}

/** ALBERT in small: one weight, three layers, two of which read it through an Identity. */
function sharedWeight(): Model {
  const { model, graph } = empty();
  let value = graph.addInput('x', tensorType('f32', [3, 6]));
  const w = graph.addInitializer('W', floats('f32', [6, 6], 3));
  for (let layer = 0; layer < 3; layer++) {
    const read =
      layer === 0 ? w : graph.append({ op: 'Identity', inputs: [w], outputs: [`W.${layer}`] }).outputs[0]!;
    [value] = graph.append({
      op: 'MatMul',
      name: `layer.${layer}`,
      inputs: [value, read],
      outputs: [layer === 2 ? 'y' : `h.${layer}`],
    }).outputs as [typeof value];
  }
  graph.addOutput(value);
  return model;
}

test('a weight that three layers read through Identity nodes is one site, one core, one merged tensor', async () => {
  const merged = await compare(sharedWeight);
  expect([...merged.graph.initializers.keys()]).toEqual(['W']);
  expect([...merged.graph.nodes].map(({ op }) => op)).toEqual([
    'MatMul',
    'Identity',
    'MatMul',
    'Identity',
    'MatMul',
  ]);
});

test('a tied weight has one product of its factors', () => {
  const model = sharedWeight();
  insertAdapters(model, planned(model));
  expect(requirePlan(model, 'test').plans[0]!.sites).toHaveLength(1);
  lowerAdapters(model, 'fold');
  const ops = [...model.graph.nodes].map(({ op }) => op);
  expect(ops.filter((op) => op === 'Mul')).toHaveLength(1);
  expect(ops.filter((op) => op === 'MatMul')).toHaveLength(3 + 1 + 2 * 3);
});

test('an embedding keeps its table when the tied head is merged', async () => {
  const make = (): Model => {
    const { model, graph } = empty();
    const input = graph.addInput('x', tensorType('f32', [3, 6]));
    const table = graph.addInitializer('table', floats('f32', [5, 6], 3));
    const ids = graph.addInitializer('ids', i64Tensor([2], [4, 1]));
    const rows = graph.append({ op: 'Gather', inputs: [table, ids], outputs: ['rows'] }).outputs[0]!;
    const turned = graph.append({
      op: 'Transpose',
      inputs: [table],
      outputs: ['head.weight'],
      attrs: [['perm', attrInts([1, 0])]],
    }).outputs[0]!;
    const y = graph.append({ op: 'MatMul', name: 'head', inputs: [input, turned], outputs: ['y'] })
      .outputs[0]!;
    graph.addOutput(y);
    graph.addOutput(rows);
    return model;
  };
  const merged = await compare(make);
  const table = merged.graph.own('table')!.constant!;
  expect([...toF32(table)]).toEqual([...toF32(floats('f32', [5, 6], 3))]);
  expect([...merged.graph.initializers.keys()]).toEqual(['table', 'ids', 'table/merged']);
  expect([...merged.graph.nodes].map(({ op }) => op).sort()).toEqual(['Gather', 'MatMul', 'Transpose']);
});

test('layers that read one weight with another alpha or transposed get tensors of their own', async () => {
  const make = (): Model => {
    const { model, graph } = empty();
    const input = graph.addInput('x', tensorType('f32', [3, 6]));
    const w = graph.addInitializer('W', floats('f32', [6, 6], 3));
    const layers: [string, [string, ReturnType<typeof attrInt>][]][] = [
      ['y', []],
      ['z', [['alpha', attrFloat(0.5)]]],
      ['t', [['transB', attrInt(1)]]],
      ['u', [['alpha', attrFloat(0.5)]]],
    ];
    for (const [name, attrs] of layers) {
      graph.addOutput(graph.append({ op: 'Gemm', inputs: [input, w], outputs: [name], attrs }).outputs[0]!);
    }
    return model;
  };
  const merged = await compare(make);
  // W as (out, in) is a site of its own; when its turn comes nobody else reads W any more
  expect([...merged.graph.initializers.keys()]).toEqual(['W', 'W/merged', 'W/merged_1']);
});

test('equal weights under two names are one site, and each merges in place', async () => {
  const make = (): Model => {
    const { model, graph } = empty();
    const input = graph.addInput('x', tensorType('f32', [3, 6]));
    const w = floats('f32', [6, 6], 3);
    const a = graph.addInitializer('A', w);
    const b = graph.addInitializer('B', w);
    const h = graph.append({ op: 'MatMul', inputs: [input, a], outputs: ['h'] }).outputs[0]!;
    graph.addOutput(graph.append({ op: 'MatMul', inputs: [h, b], outputs: ['y'] }).outputs[0]!);
    return model;
  };
  const merged = await compare(make);
  expect([...merged.graph.initializers.keys()]).toEqual(['A', 'B']);
  const [a, b] = ['A', 'B'].map((name) => [...toF32(merged.graph.own(name)!.constant!)]);
  expect(a).toEqual(b);
});

describe('layers in subgraphs', () => {
  /** y = cond ? (x W) W : x W, all reading W of the main graph; `outside`: a layer before the If too. */
  const make = (outside: boolean) => (): Model => {
    const { model, graph } = empty();
    const input = graph.addInput('x', tensorType('f32', [3, 6]));
    const w = graph.addInitializer('W', floats('f32', [6, 6], 3));
    const zero = graph.append({
      op: 'Constant',
      inputs: [],
      outputs: ['zero'],
      attrs: [['value_float', attrFloat(0)]],
    }).outputs[0]!;
    const total = graph.append({
      op: 'ReduceSum',
      inputs: [input],
      outputs: ['total'],
      attrs: [['keepdims', attrInt(0)]],
    }).outputs[0]!;
    const cond = graph.append({ op: 'Less', inputs: [total, zero], outputs: ['cond'] }).outputs[0]!;
    const branch = (name: string, layers: number): Graph => {
      const inner = new Graph(name);
      let value = input;
      for (let k = 0; k < layers; k++) {
        [value] = inner.append({ op: 'MatMul', inputs: [value, w], outputs: [`${name}.${k}`] }).outputs as [
          typeof value,
        ];
      }
      inner.addOutput(value);
      return inner;
    };
    const chosen = graph.append({
      op: 'If',
      inputs: [cond],
      outputs: ['chosen'],
      attrs: [
        ['then_branch', { kind: 'graph', value: branch('then', 2) }],
        ['else_branch', { kind: 'graph', value: branch('else', 1) }],
      ],
    }).outputs[0]!;
    // the main graph's layer is after the If: shared products must go before both
    const last = outside
      ? graph.append({ op: 'MatMul', inputs: [chosen, w], outputs: ['y'] }).outputs[0]!
      : graph.append({ op: 'Relu', inputs: [chosen], outputs: ['y'] }).outputs[0]!;
    graph.addOutput(last);
    return model;
  };

  test.each([true, false])('merge in place (a layer outside too: %s)', async (outside) => {
    const merged = await compare(make(outside));
    expect([...merged.graph.initializers.keys()]).toEqual(['W']);
  });

  test('the product of the factors is in the main graph, once, before the If', () => {
    const model = make(true)();
    insertAdapters(model, planned(model));
    lowerAdapters(model, 'fold');
    const main = [...model.graph.nodes].map(({ op }) => op);
    expect(main.filter((op) => op === 'Mul')).toHaveLength(1);
    expect(main.indexOf('Mul')).toBeLessThan(main.indexOf('If'));
    const inner = [...model.everyGraph()].slice(1).flatMap((graph) => [...graph.nodes].map(({ op }) => op));
    expect(inner.filter((op) => op === 'Mul')).toEqual([]);
    expect(inner.filter((op) => op === 'Add')).toHaveLength(3);
  });
});
