import { describe, expect, test } from 'vitest';
import { type Attr, attrInt, attrInts } from '../../../src/ir/attr.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { Graph, Model, type Value } from '../../../src/ir/model.js';
import { tensorType } from '../../../src/ir/shape.js';
import { i64Tensor } from '../../../src/ir/tensor.js';
import { parseModel } from '../../../src/ir/text/index.js';
import { selectSites } from '../../../src/passes/sites/plan.js';
import { addTo, checkAdapted } from '../../support/adapted.js';
import { floats } from '../../support/layers.js';
import { f32 } from '../../support/ort.js';

/** How exporters of many years wrote the same layers. */

interface Form {
  readonly opset: number;
  /** layers' nodes have no names */
  readonly unnamed?: boolean;
  /** the nodes stand in reverse order */
  readonly reversed?: boolean;
  /** weights in Constant nodes, and read through an Identity */
  readonly constants?: boolean;
}

const [BATCH, LENGTH, IN, MID, OUT] = [2, 3, 5, 4, 6];

/** softmax(relu((x unsqueezed, sliced, squeezed as rows) U)) V with ops as that operator set has them. */
function network({ opset, unnamed, reversed, constants }: Form): Model {
  const graph = new Graph('main');
  const model = new Model(graph);
  model.setOpset('', opset);
  model.setIrVersion(opset > 21 ? 10 : 8);
  let count = 0;
  const op = (kind: string, inputs: readonly Value[], attrs: Record<string, Attr> = {}): Value => {
    const name = `${kind}_${count++}`;
    const held = Object.entries(attrs);
    return graph.append({ op: kind, name: unnamed ? '' : name, inputs, outputs: [name], attrs: held })
      .outputs[0]!;
  };
  const ints = (...values: number[]) =>
    graph.addInitializer(`ints_${count++}`, i64Tensor([values.length], values));
  const axes = (kind: string, x: Value, axis: number) =>
    opset < 13 ? op(kind, [x], { axes: attrInts([axis]) }) : op(kind, [x, ints(axis)]);
  const weight = (name: string, rows: number, columns: number): Value => {
    const data = floats('f32', [rows, columns], rows);
    if (!constants) return graph.addInitializer(name, data);
    const attrs: [string, Attr][] = [['value', { kind: 'tensor', value: data }]];
    return op('Identity', [graph.append({ op: 'Constant', inputs: [], outputs: [name], attrs }).outputs[0]!]);
  };
  const x = graph.addInput('x', tensorType('f32', [BATCH, LENGTH, IN + 1]));
  const wide = axes('Unsqueeze', x, 1);
  const cut =
    opset < 10
      ? op('Slice', [wide], { starts: attrInts([1]), ends: attrInts([IN + 1]), axes: attrInts([3]) })
      : op('Slice', [wide, ints(1), ints(IN + 1), ints(3)]);
  const rows = op('Reshape', [axes('Squeeze', cut, 1), ints(BATCH * LENGTH, IN)]);
  const hidden = op('Relu', [op('MatMul', [rows, weight('up.weight', IN, MID)])]);
  const back = op('Reshape', [
    op('Gemm', [hidden, weight('down.weight', MID, OUT), bias(graph)]),
    ints(BATCH, LENGTH, OUT),
  ]);
  // before operator set 13 the last axes from `axis` on are one; here both read the same
  graph.addOutput(op('Softmax', [back], { axis: attrInt(2) }));
  if (reversed) for (const node of [...graph.nodes].reverse().slice(1)) moveToEnd(graph, node);
  graph.outputs[0]!.setType(tensorType('f32', [BATCH, LENGTH, OUT]));
  return model;
}

const bias = (graph: Graph): Value => graph.addInitializer('down.bias', floats('f32', [OUT], 8));

function moveToEnd(graph: Graph, node: Parameters<Graph['insertAfter']>[1]): void {
  graph.nodes.remove(node);
  graph.nodes.insertAfter(graph.nodes.last!, node);
}

const forms: readonly (readonly [string, Form])[] = [
  ...[7, 8, 9, 10, 11, 12, 13, 15, 18, 20, 21, 22, 23, 24, 25, 26].map(
    (opset) => [`operator set ${opset}`, { opset }] as const,
  ),
  ['nodes without names', { opset: 17, unnamed: true }],
  ['nodes out of order', { opset: 17, reversed: true }],
  ['nodes without names and out of order', { opset: 9, unnamed: true, reversed: true }],
  ['weights in Constant nodes behind Identity', { opset: 17, constants: true }],
  ['all at once', { opset: 11, constants: true, unnamed: true, reversed: true }],
];

test.each(forms)('%s', async (_name, form) => {
  const sites = await checkAdapted(
    () => network(form),
    { x: f32([BATCH, LENGTH, IN + 1], 6) },
    (base, deltas) => {
      addTo(base, 'up.weight', deltas.get('up')!);
      addTo(base, 'down.weight', deltas.get('down')!);
    },
  );
  expect([...sites].sort()).toEqual(['down', 'up']);
});

describe('a target that names something else than a linear layer', () => {
  const text = `<ir_version: 8, opset_import: ["": 17]>
    g (int64[2] ids, float[1,2,3,3] image, float[2,4] x) => (float[2,4] a, float[1,1,3,3] b, float[2,4] c, float[2,3] y)
    <float[7,4] "words.weight" = {${new Array(28).fill(1)}}, float[2,1,1,1] "patch.weight" = {1, 1},
     float[4] "norm.weight" = {1, 1, 1, 1}, float[4,3] "fc.weight" = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}> {
      a = Gather ("words.weight", ids)
      b = ConvTranspose (image, "patch.weight")
      c = LayerNormalization (x, "norm.weight")
      y = MatMul (x, "fc.weight")
    }`;

  test.each([
    ['words', 'is an embedding table: rows are looked up, not multiplied'],
    ['patch', 'is a transposed convolution'],
    ['norm', 'normalises, with a vector for a weight'],
  ])('%s (LOTR3110)', (target, does) => {
    const select = () => selectSites(parseModel(text), { rank: 1, targets: [target] });
    expect(select).toThrow(LotrcError);
    expect(select).toThrow(`LOTR3110: cannot adapt "${target}": it ${does}`);
  });

  test('is not looked at when the target has linear layers too', () => {
    expect(selectSites(parseModel(text), { rank: 1, targets: ['.*'] }).sites.map(({ id }) => id)).toEqual([
      'fc',
    ]);
  });
});
