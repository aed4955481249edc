import { describe, expect, test } from 'vitest';
import { attrInt } from '../../../src/ir/attr.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { Graph, Model, type Node, type Value } from '../../../src/ir/model.js';
import { tensorType } from '../../../src/ir/shape.js';
import { i64Tensor } from '../../../src/ir/tensor.js';
import { mergeAdapters } from '../../../src/passes/adapters/merge.js';
import { differentiate } from '../../../src/passes/autodiff/engine.js';
import { inferShapes } from '../../../src/passes/infer-shapes.js';
import { rewrite } from '../../../src/rewrite.js';
import { addTo, checkAdapted } from '../../support/adapted.js';
import { floats } from '../../support/layers.js';
import { f32, type Tensor } from '../../support/ort.js';

/** Linear layers in the bodies of If, Loop and Scan: weights captured from outside, or stored inside. */

type Where = 'outside' | 'inside' | 'a Constant node inside';

const append = (
  graph: Graph,
  op: string,
  inputs: (Value | null)[],
  output: string,
  attrs: Node['attrs'] | [] = [],
) => graph.append({ op, name: output, inputs, outputs: [output], attrs: [...attrs] }).outputs[0]!;

/** tanh(x W) in `graph`, the weight in the requested graph. */
function layer(main: Graph, graph: Graph, x: Value, name: string, where: Where): Value {
  const data = floats('f32', [3, 3], name.length + name.charCodeAt(0));
  const weight =
    where === 'a Constant node inside'
      ? append(graph, 'Constant', [], `${name}.weight`, new Map([['value', { kind: 'tensor', value: data }]]))
      : (where === 'inside' ? graph : main).addInitializer(`${name}.weight`, data);
  const product = append(graph, 'MatMul', [x, weight], `${name}.product`);
  return append(graph, 'Tanh', [product], `${name}.out`);
}

function start(): { model: Model; graph: Graph; x: Value } {
  const graph = new Graph('main');
  const model = new Model(graph);
  model.setOpset('', 17);
  model.setIrVersion(8);
  return { model, graph, x: graph.addInput('x', tensorType('f32', [2, 3])) };
}

function ifModel(where: Where): Model {
  const { model, graph, x } = start();
  const flag = graph.addInput('flag', tensorType('bool', []));
  const branch = (name: string): Graph => {
    const inner = new Graph(name);
    const weight = name === 'then' ? 'yes' : 'other';
    pending.push(() => inner.addOutput(layer(graph, inner, x, weight, where)));
    return inner;
  };
  const pending: (() => void)[] = [];
  const [then, other] = [branch('then'), branch('else')];
  const node = graph.append({
    op: 'If',
    name: 'choice',
    inputs: [flag],
    outputs: ['y'],
    attrs: [
      ['then_branch', { kind: 'graph', value: then }],
      ['else_branch', { kind: 'graph', value: other }],
    ],
  });
  for (const fill of pending) fill();
  graph.addOutput(node.outputs[0]!);
  node.outputs[0]!.setType(tensorType('f32', [2, 3]));
  return model;
}

function loopModel(where: Where): Model {
  const { model, graph, x } = start();
  const body = new Graph('body');
  body.addInput('i', tensorType('i64', []));
  const going = body.addInput('going', tensorType('bool', []));
  const held = body.addInput('held', tensorType('f32', [2, 3]));
  const rounds = graph.addInitializer('rounds', i64Tensor([], [3]));
  const node = graph.append({
    op: 'Loop',
    name: 'loop',
    inputs: [rounds, null, x],
    outputs: ['y'],
    attrs: [['body', { kind: 'graph', value: body }]],
  });
  body.addOutput(append(body, 'Identity', [going], 'still'));
  body.addOutput(layer(graph, body, held, 'step', where));
  graph.addOutput(node.outputs[0]!);
  node.outputs[0]!.setType(tensorType('f32', [2, 3]));
  return model;
}

function scanModel(where: Where): Model {
  const { model, graph, x } = start();
  const body = new Graph('body');
  const state = body.addInput('state', tensorType('f32', [3]));
  const row = body.addInput('row', tensorType('f32', [3]));
  const first = graph.addInitializer('first', floats('f32', [3], 71));
  const node = graph.append({
    op: 'Scan',
    name: 'scan',
    inputs: [first, x],
    outputs: ['last', 'y'],
    attrs: [
      ['body', { kind: 'graph', value: body }],
      ['num_scan_inputs', attrInt(1)],
    ],
  });
  const next = layer(graph, body, append(body, 'Add', [state, row], 'mixed'), 'cell', where);
  body.addOutput(next);
  body.addOutput(append(body, 'Identity', [next], 'row_out'));
  for (const output of node.outputs) graph.addOutput(output);
  node.outputs[0]!.setType(tensorType('f32', [3]));
  node.outputs[1]!.setType(tensorType('f32', [2, 3]));
  return model;
}

const places = ['outside', 'inside', 'a Constant node inside'] as const;
const x = f32([2, 3], 7);
const flag = (on: boolean): Tensor => ({ dtype: 'bool', shape: [], data: Uint8Array.of(on ? 1 : 0) });

describe.each(places)('weights stored %s', (where) => {
  const correct = (names: readonly string[]) => (base: Model, deltas: ReadonlyMap<string, Float64Array>) => {
    for (const [index, delta] of [...deltas.values()].entries()) addTo(base, `${names[index]}.weight`, delta);
  };

  test.each([true, false])('If, the condition is %s', async (on) => {
    const sites = await checkAdapted(() => ifModel(where), { x, flag: flag(on) }, correct(['yes', 'other']));
    expect(sites).toHaveLength(2);
  });

  test('Loop: one layer, however many rounds', async () => {
    expect(await checkAdapted(() => loopModel(where), { x }, correct(['step']))).toHaveLength(1);
  });

  test('Scan', async () => {
    expect(await checkAdapted(() => scanModel(where), { x }, correct(['cell']))).toHaveLength(1);
  });

  test('merging leaves the nodes of the base', () => {
    const model = loopModel(where);
    rewrite(model, { rank: 2, targets: ['.*'] });
    expect(mergeAdapters(model)).toBe(1);
    expect([...model.everyNode()].map(({ op }) => op)).toEqual(
      [...loopModel(where).everyNode()].map(({ op }) => op),
    );
  });
});

test.each([['Loop', () => loopModel('outside')]] as const)(
  'no gradient goes through %s (LOTR4203)',
  (op, make) => {
    const model = make();
    const { plan } = rewrite(model, { rank: 2, targets: ['.*'] });
    inferShapes(model);
    const factor = model.graph.own(plan.plans[0]!.groups[0]!.factors.R!)!;
    const y = model.graph.own('y')!;
    try {
      differentiate(model.graph, { seeds: new Map([[y, y]]), wrt: [factor] });
      expect.unreachable();
    } catch (error) {
      if (!(error instanceof LotrcError)) throw error;
      expect(error.diagnostics.map(({ code, message }) => [code, message])).toEqual([
        ['LOTR4203', `cannot train through ${op}: adapted layers come before it or are inside it`],
      ]);
    }
  },
);
