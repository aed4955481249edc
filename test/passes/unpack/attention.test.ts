import { describe, expect, test } from 'vitest';
import { type Attr, attrFloat, attrInt, attrInts } from '../../../src/ir/attr.js';
import { Graph, Model, type Value } from '../../../src/ir/model.js';
import { tensorType } from '../../../src/ir/shape.js';
import { unpackLayers } from '../../../src/passes/unpack/unpack.js';
import { addTo, checkAdapted } from '../../support/adapted.js';
import { floats } from '../../support/layers.js';
import { f32, type Tensor } from '../../support/ort.js';

const [BATCH, LENGTH, WIDTH, HEADS] = [2, 3, 5, 2];

interface Form {
  /** widths of query, key and value; equal ones without the attribute */
  readonly widths?: readonly [number, number, number];
  readonly bias?: boolean;
  readonly mask?: Tensor;
  readonly past?: number;
  readonly attrs?: Readonly<Record<string, Attr>>;
  readonly opset?: number;
  readonly twice?: boolean;
}

const ints = (shape: readonly number[], data: readonly number[]): Tensor => ({
  dtype: 'int32',
  shape,
  data: Int32Array.from(data),
});

function model(form: Form): Model {
  const graph = new Graph('main');
  const made = new Model(graph);
  made.setOpset('', form.opset ?? 17);
  made.setOpset('com.microsoft', 1);
  made.setIrVersion(8);
  const widths = form.widths ?? [4, 4, 4];
  const total = widths.reduce((sum, w) => sum + w, 0);
  const x = graph.addInput('x', tensorType('f32', [BATCH, LENGTH, WIDTH]));
  const mask = form.mask ? graph.addInput('mask', tensorType('i32', form.mask.shape)) : null;
  const size = widths[0] / HEADS;
  const past = form.past
    ? graph.addInput('past', tensorType('f32', [2, BATCH, HEADS, form.past, size]))
    : null;
  const w = graph.addInitializer('h.0.attn.qkv.weight', floats('f32', [WIDTH, total], 3));
  const b = form.bias ? graph.addInitializer('h.0.attn.qkv.bias', floats('f32', [total], 4)) : null;
  const inputs: (Value | null)[] = [x, w, b, mask, past];
  while (inputs.at(-1) === null) inputs.pop();
  const attrs = {
    num_heads: attrInt(HEADS),
    ...(form.widths ? { qkv_hidden_sizes: attrInts(form.widths) } : {}),
    ...form.attrs,
  };
  for (const index of form.twice ? [0, 1] : [0]) {
    const outputs = [`y${index}`, ...(past ? [`present${index}`] : [])];
    const node = graph.append({
      op: 'Attention',
      domain: 'com.microsoft',
      name: `attention${index}`,
      inputs,
      outputs,
      attrs: Object.entries(attrs),
    });
    for (const output of node.outputs) graph.addOutput(output);
  }
  return made;
}

const ONE = { unidirectional: attrInt(1) };
// all with a bias: ONNX Runtime 1.30 crashes on an Attention without one
const forms: readonly (readonly [string, Form])[] = [
  ['with a bias', { bias: true }],
  ['with widths of its own for the value', { widths: [4, 4, 6], bias: true }],
  ['causal', { bias: true, attrs: ONE }],
  ['with its own scale', { bias: true, attrs: { scale: attrFloat(0.3) } }],
  ['with a mask of padding', { bias: true, mask: ints([2, 3], [1, 1, 0, 1, 1, 1]) }],
  [
    'with a mask of padding and its value',
    {
      bias: true,
      mask: ints([2, 3], [1, 0, 1, 1, 1, 1]),
      attrs: { mask_filter_value: attrFloat(-3) },
    },
  ],
  ['with lengths of rows', { bias: true, mask: ints([2], [2, 3]) }],
  [
    'with a mask for each query',
    { bias: true, mask: ints([2, 3, 3], [1, 0, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1]) },
  ],
  ['with a past', { bias: true, past: 2, attrs: ONE }],
  [
    'with a past and a mask',
    { bias: true, past: 2, attrs: ONE, mask: ints([2, 5], [1, 0, 1, 1, 1, 1, 1, 1, 1, 1]) },
  ],
  ['with a past in operator set 11', { bias: true, past: 1, attrs: ONE, opset: 11 }],
  ['twice, of one weight', { bias: true, twice: true, attrs: ONE }],
];

describe.each(forms)('Attention %s', (_name, form) => {
  test('has three layers, and a correction of each goes to its columns of the packed weight', async () => {
    const feeds: Record<string, Tensor> = { x: f32([BATCH, LENGTH, WIDTH], 9) };
    if (form.mask) feeds.mask = form.mask;
    if (form.past) feeds.past = f32([2, BATCH, HEADS, form.past, 2], 10);
    const widths = form.widths ?? [4, 4, 4];
    const sites = await checkAdapted(
      () => model(form),
      feeds,
      (base, deltas) => {
        addTo(base, 'h.0.attn.qkv.weight', deltas.get('h.0.attn.query')!);
        addTo(base, 'h.0.attn.qkv.weight', deltas.get('h.0.attn.key')!, { column: widths[0] });
        addTo(base, 'h.0.attn.qkv.weight', deltas.get('h.0.attn.value')!, { column: widths[0] + widths[1] });
      },
    );
    expect(sites).toEqual(['h.0.attn.query', 'h.0.attn.key', 'h.0.attn.value']);
  });
});

test.each([
  ['rotates', { attrs: { do_rotary: attrInt(1) } }],
  ['writes its cache in place', { past: 2, attrs: { ...ONE, past_present_share_buffer: attrInt(1) } }],
  ['has a mask of start and end', { mask: ints([4], [2, 3, 0, 0]) }],
  ['has widths that do not add up', { attrs: { qkv_hidden_sizes: attrInts([4, 4, 5]) } }],
  ['has a mask of rank 4', { mask: ints([2, 1, 3, 3], new Array<number>(18).fill(1)) }],
] as readonly (readonly [string, Form])[])('one that %s stays as it is', (_name, form) => {
  const made = model(form);
  expect(unpackLayers(made)).toEqual({ calls: 0, nodes: new Map(), stacks: 0 });
  expect([...made.graph.nodes].map(({ op }) => op)).toEqual(['Attention']);
});

test('one without a bias has three layers', () => {
  const made = model({});
  expect(unpackLayers(made).nodes).toEqual(new Map([['com.microsoft::Attention', 1]]));
  expect(made.graph.own('y0')!.producer!.inputs).toHaveLength(3);
});
