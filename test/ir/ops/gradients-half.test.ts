import { expect, test } from 'vitest';
import { type Attr, attrFloat } from '../../../src/ir/attr.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { elementCount, tensorType } from '../../../src/ir/shape.js';
import { MemoryTensor } from '../../../src/ir/tensor.js';
import { parseModel } from '../../../src/ir/text/index.js';
import { encodeFloats, toF64 } from '../../../src/ir/values.js';
import { differentiate } from '../../../src/passes/autodiff/engine.js';
import { removeDead } from '../../../src/passes/dce.js';
import { inferShapes } from '../../../src/passes/infer-shapes.js';
import { evaluateGraph } from '../../support/evaluate.js';
import { noise, relativeError, runOrt } from '../../support/ort.js';

const SHAPE = [2, 3, 20];
const rounded = (values: Float32Array) =>
  toF64(new MemoryTensor('f16', [values.length], encodeFloats('f16', values)));
// squares of x leave float16, which ends at 65504
const X = rounded(noise(elementCount(SHAPE), 3).map((v) => 900 * v));
const SKIP = rounded(noise(elementCount(SHAPE), 4));
const W = rounded(noise(SHAPE[2]!, 5));
const SEED = rounded(noise(elementCount(SHAPE), 6));

interface Case {
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly ('x' | 'skip' | 'w')[];
}

/** The graph that delivers dx of sum(seed y), in an element type. */
function gradientOf({ op, domain, inputs }: Case, dtype: 'f16' | 'f64') {
  const graph = new Graph('case');
  const model = new Model(graph);
  model.setOpset('', 23);
  model.setOpset('com.microsoft', 1);
  const x = graph.addInput('x', tensorType(dtype, SHAPE));
  const constant = (name: string, shape: readonly number[], values: Float64Array) =>
    graph.addInitializer(name, new MemoryTensor(dtype, shape, encodeFloats(dtype, values)));
  const held = { x, skip: constant('skip', SHAPE, SKIP), w: constant('w', SHAPE.slice(2), W) };
  const attrs: [string, Attr][] = [['epsilon', attrFloat(1e-5)]];
  const [y] = graph.append({
    op,
    domain,
    name: 'norm',
    inputs: inputs.map((name) => held[name]),
    outputs: ['y'],
    attrs,
  }).outputs;
  inferShapes(model);
  const seeds = new Map([[y!, constant('seed', SHAPE, SEED)]]);
  const dx = differentiate(graph, { seeds, wrt: [x] }).get(x)!;
  dx.setType(tensorType(dtype, SHAPE));
  graph.addOutput(dx);
  inferShapes(model);
  return { model, dx };
}

test.each<[string, Case]>(
  [
    { op: 'LayerNormalization', domain: '', inputs: ['x', 'w'] },
    { op: 'RMSNormalization', domain: '', inputs: ['x', 'w'] },
    { op: 'SimplifiedLayerNormalization', domain: '', inputs: ['x', 'w'] },
    { op: 'SkipLayerNormalization', domain: 'com.microsoft', inputs: ['x', 'skip', 'w'] },
    { op: 'SkipSimplifiedLayerNormalization', domain: 'com.microsoft', inputs: ['x', 'skip', 'w'] },
  ].map((given) => [given.op, given as Case]),
)('%s in float16 takes its statistics in float32', async (_op, given) => {
  const exact = gradientOf(given, 'f64');
  const wanted = evaluateGraph(exact.model.graph, new Map([['x', { shape: SHAPE, data: X }]])).get(exact.dx)!;
  const { model, dx } = gradientOf(given, 'f16');
  for (const node of model.graph.nodes) {
    if (node.op === 'ReduceMean') expect(node.inputs[0]!.type).toMatchObject({ dtype: 'f32' });
  }
  const bits = new Uint16Array(encodeFloats('f16', X).slice().buffer);
  const results = await runOrt(encodeModel(model), { x: { dtype: 'float16', shape: SHAPE, data: bits } });
  const bytes = new Uint8Array((results[dx.name]!.data as Uint16Array).slice().buffer);
  const got = toF64(new MemoryTensor('f16', SHAPE, bytes));
  // dx is of the size of w / 500, where float16 has eleven bits
  expect(relativeError(got, wanted.data)).toBeLessThan(1e-3);
});

/** Ops whose gradients add, interpolate or pad, after a Cast of x [1,2,6,5], and what they read besides. */
const MOVED: readonly (readonly [string, string, string])[] = [
  ['MaxPool', 'MaxPool <kernel_shape = [3, 2], strides = [2, 1]> (h)', ''],
  ['AveragePool', 'AveragePool <kernel_shape = [3, 2], pads = [1, 0, 0, 1]> (h)', ''],
  ['Resize', 'Resize <mode = "linear"> (h, , s)', 's = Constant <value = float[4] {1, 1, 2, 1.5}> ()'],
  ['Pad', 'Pad <mode = "reflect"> (h, p)', 'p = Constant <value = int64[8] {0, 0, 1, 2, 0, 0, 1, 0}> ()'],
  ['Gather', 'Gather <axis = 2> (h, i)', 'i = Constant <value = int64[4] {1, 0, 1, 5}> ()'],
  ['GatherND', 'GatherND (h, i)', 'i = Constant <value = int64[3,3] {0, 1, 2, 0, 0, 5, 0, 1, 2}> ()'],
  [
    'Slice',
    'Slice (h, a, e, c, t)',
    `a = Constant <value = int64[1] {-1}> () e = Constant <value = int64[1] {-99}> ()
     c = Constant <value = int64[1] {2}> () t = Constant <value = int64[1] {-2}> ()`,
  ],
];

test.each(MOVED)(
  'the gradient of %s in float16 runs, and is that of float32 rounded',
  async (_, call, before) => {
    const results: number[][] = [];
    for (const type of [1, 10]) {
      const model = parseModel(`<ir_version: 8, opset_import: ["": 17]> g (float[n,2,6,5] x) => (y) {
      h = Cast <to = ${type}> (x) ${before} z = ${call} y = Cast <to = 1> (z) }`);
      const { graph } = model;
      inferShapes(model);
      const [x, y] = [graph.inputs[0]!, graph.outputs[0]!];
      const seed = graph.append({ op: 'Sin', inputs: [y], outputs: ['seed'] }).outputs[0]!;
      seed.setType(y.type);
      const gradient = differentiate(graph, { seeds: new Map([[y, seed]]), wrt: [x] }).get(x)!;
      const dx = graph.append({ op: 'Identity', inputs: [gradient], outputs: ['dx'] }).outputs[0]!;
      graph.removeOutput(y);
      graph.addOutput(dx);
      removeDead(model);
      inferShapes(model);
      const fed = { x: { dtype: 'float32' as const, shape: [1, 2, 6, 5], data: noise(60, 7) } };
      results.push(Array.from((await runOrt(encodeModel(model), fed)).dx!.data, Number));
    }
    expect(relativeError(results[1]!, results[0]!)).toBeLessThan(1e-3);
  },
);
