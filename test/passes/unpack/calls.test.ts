import { describe, expect, test } from 'vitest';
import { attrInt } from '../../../src/ir/attr.js';
import { Graph, GraphFunction, Model, type Value } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { tensorType } from '../../../src/ir/shape.js';
import { findLinears } from '../../../src/passes/sites/find.js';
import { unpackLayers } from '../../../src/passes/unpack/unpack.js';
import { rewrite } from '../../../src/rewrite.js';
import { addTo, checkAdapted } from '../../support/adapted.js';
import { floats } from '../../support/layers.js';
import { f32 } from '../../support/ort.js';

const DOMAIN = 'local';

function define(
  model: Model,
  name: string,
  inputs: readonly string[],
  body: (g: Graph, of: Value[]) => Value,
): void {
  const graph = new Graph(name);
  const values = inputs.map((input) => graph.addInput(input, null));
  graph.addOutput(body(graph, values));
  const fn = new GraphFunction(DOMAIN, name, '', graph);
  fn.opsets.set('', 17);
  fn.opsets.set(DOMAIN, 1);
  model.addFunction(fn);
}

const node = (graph: Graph, op: string, inputs: (Value | null)[], name: string, domain = ''): Value =>
  graph.append({ op, domain, name, inputs, outputs: [name] }).outputs[0]!;

/** linear(x, W, b) = x W + b; block(x, W, b) = tanh(linear(linear(x, W, b), W, b)); two blocks and a call without a weight. */
function nested(): Model {
  const graph = new Graph('main');
  const model = new Model(graph);
  model.setOpset('', 17);
  model.setOpset(DOMAIN, 1);
  model.setIrVersion(8);
  define(model, 'linear', ['x', 'W', 'b'], (g, [x, w, b]) =>
    node(g, 'Add', [node(g, 'MatMul', [x!, w!], 'product'), b!], 'sum'),
  );
  define(model, 'block', ['x', 'W', 'b', 'V'], (g, [x, w, b, v]) => {
    const first = node(g, 'linear', [x!, w!, b!], 'first', DOMAIN);
    return node(g, 'Tanh', [node(g, 'linear', [first, v!, b!], 'second', DOMAIN)], 'out');
  });
  let x = graph.addInput('x', tensorType('f32', [3, 4]));
  const bias = graph.addInitializer('bias', floats('f32', [4], 5));
  for (const layer of [0, 1]) {
    const w = graph.addInitializer(`layers.${layer}.up.weight`, floats('f32', [4, 4], 6 + layer));
    const v = graph.addInitializer(`layers.${layer}.down.weight`, floats('f32', [4, 4], 8 + layer));
    x = node(graph, 'block', [x, w, bias, v], `layers.${layer}`, DOMAIN);
  }
  // the product of two activations is not a layer: that call of the same function stays
  const fed = graph.addInput('fed', tensorType('f32', [4, 4]));
  graph.addOutput(node(graph, 'linear', [x, fed, bias], 'y', DOMAIN));
  return model;
}

describe('calls of model-local functions', () => {
  const names = ['layers.0.up', 'layers.0.down', 'layers.1.up', 'layers.1.down'];

  test('each call has layers of its own, and numbers are those of the base with corrected weights', async () => {
    const sites = await checkAdapted(nested, { x: f32([3, 4], 2), fed: f32([4, 4], 3) }, (base, deltas) => {
      for (const name of names) addTo(base, `${name}.weight`, deltas.get(name)!);
    });
    expect(sites).toEqual(names);
  });

  test('calls without a stored weight stay, also of the same function', () => {
    const model = nested();
    expect(unpackLayers(model).calls).toBe(6);
    expect([...model.functions.keys()].length).toBe(1);
    expect(model.graph.own('y')!.producer!.opKey).toBe('local::linear');
  });

  test('the rewrite says so', () => {
    const { diagnostics } = rewrite(nested(), { rank: 2, targets: ['.*'] });
    expect(diagnostics.filter(({ code }) => code === 'LOTR3025').map(({ message }) => message)).toEqual([
      '6 calls of model-local functions inlined',
    ]);
  });

  test('a weight that is stored in the body is inlined too', () => {
    const graph = new Graph('main');
    const model = new Model(graph);
    model.setOpset('', 17);
    model.setOpset(DOMAIN, 1);
    define(model, 'fixed', ['x'], (g, [x]) => {
      const w = g.append({
        op: 'Constant',
        inputs: [],
        outputs: ['W'],
        attrs: [['value', { kind: 'tensor', value: floats('f32', [4, 3], 2) }]],
      }).outputs[0]!;
      return node(g, 'MatMul', [x!, w], 'product');
    });
    const x = graph.addInput('x', tensorType('f32', [2, 4]));
    graph.addOutput(node(graph, 'fixed', [x], 'y', DOMAIN));
    expect(unpackLayers(model).calls).toBe(1);
    expect(findLinears(model).sites).toHaveLength(1);
  });

  test('functions without layers are left alone', () => {
    const graph = new Graph('main');
    const model = new Model(graph);
    model.setOpset('', 17);
    model.setOpset(DOMAIN, 1);
    define(model, 'act', ['x'], (g, [x]) => node(g, 'Tanh', [x!], 'out'));
    const x = graph.addInput('x', tensorType('f32', [2, 4]));
    const w = graph.addInitializer('fc.weight', floats('f32', [4, 3], 2));
    graph.addOutput(node(graph, 'act', [node(graph, 'MatMul', [x, w], 'h')], 'y', DOMAIN));
    expect(unpackLayers(model).calls).toBe(0);
  });

  test('a body of another version of its ops stays, and the layer is refused', () => {
    const graph = new Graph('main');
    const model = new Model(graph);
    model.setOpset('', 17);
    model.setOpset(DOMAIN, 1);
    define(model, 'old', ['x', 'W'], (g, [x, w]) => {
      const product = node(g, 'MatMul', [x!, w!], 'product');
      return g.append({ op: 'Softmax', inputs: [product], outputs: ['p'], attrs: [['axis', attrInt(1)]] })
        .outputs[0]!;
    });
    [...model.functions.values()][0]!.opsets.set('', 11);
    const x = graph.addInput('x', tensorType('f32', [2, 4]));
    const w = graph.addInitializer('fc.weight', floats('f32', [4, 3], 2));
    graph.addOutput(node(graph, 'old', [x, w], 'y', DOMAIN));
    expect(unpackLayers(model).calls).toBe(0);
    expect(findLinears(model).refused.map(({ diagnostic }) => diagnostic.code)).toEqual(['LOTR3108']);
  });

  test('functions that call the next twice, thirty deep, stay', () => {
    const model = readModel('test/data/cases/attack/expfun.onnx');
    expect(unpackLayers(model).calls).toBe(0);
    expect(findLinears(model).refused.map(({ diagnostic }) => diagnostic.code)).toEqual(['LOTR3108']);
  });
});
