import { describe, expect, test } from 'vitest';
import { attrFloat } from '../../../src/ir/attr.js';
import { GraphBuilder } from '../../../src/ir/builder.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import type { Model, Node } from '../../../src/ir/model.js';
import { readModelBytes } from '../../../src/ir/onnx/reader.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { printModel } from '../../../src/ir/text/index.js';
import { insertAdapters } from '../../../src/passes/adapters/insert.js';
import { lowerAdapters } from '../../../src/passes/adapters/lower.js';
import { raiseAdapters } from '../../../src/passes/adapters/raise.js';
import { toFunctions } from '../../../src/passes/adapters/to-functions.js';
import { type LayerForm, layerModel, planned } from '../../support/layers.js';

type Kind = 'fold' | 'token' | 'function';
const KINDS: readonly Kind[] = ['fold', 'token', 'function'];

function written(kind: Kind, form: LayerForm = {}): Model {
  const model = layerModel(form);
  insertAdapters(model, planned(model));
  if (kind === 'function') toFunctions(model);
  else lowerAdapters(model, kind);
  return readModelBytes(encodeModel(model));
}

function find(model: Model, op: string, index = 0): Node {
  return [...model.graph.nodes].filter((node) => node.op === op)[index]!;
}

function refusal(run: () => void): string {
  try {
    run();
  } catch (error) {
    if (error instanceof LotrcError) return error.diagnostics.map((d) => `${d.code} ${d.message}`).join('\n');
    throw error;
  }
  return 'none';
}

describe.each(KINDS)('%s', (kind) => {
  test.each([
    ['MatMul', {}],
    ['Gemm', { op: 'Gemm', alpha: 0.5, transB: true, bias: true }],
    ['f16', { dtype: 'f16' }],
  ] as [string, LayerForm][])('%s: raising gives what was inserted', (_name, form) => {
    const model = written(kind, form);
    expect(raiseAdapters(model, 'test')).toBe(1);
    const inserted = layerModel(form);
    insertAdapters(inserted, planned(inserted));
    const text = (m: Model): string =>
      printModel(readModelBytes(encodeModel(m)), { locations: false })
        // the plan notes the form that was written
        .replace(/lowering\\*": *\\*"\w+/, '');
    inserted.setIrVersion(model.irVersion);
    expect(text(model)).toBe(text(inserted));
    expect(raiseAdapters(model, 'test')).toBe(0);
  });
});

/** What another tool may have done to a lowered model. */
const changes: readonly (readonly [string, Kind, (model: Model) => void, RegExp])[] = [
  [
    'another scale',
    'fold',
    (model) => model.graph.own('lotr/scale')!.setConstant(f32Tensor([], [0.125])),
    /scaled by 0.125, the plan by 0.5/,
  ],
  [
    'an activation between',
    'fold',
    (model) => {
      const sum = find(model, 'Add');
      const b = new GraphBuilder(model.graph, { before: sum, pass: 'test' });
      sum.setInput(1, b.one('Relu', [sum.inputs[1]!]));
    },
    /is not a product with x/,
  ],
  [
    'a constant folded product',
    'fold',
    (model) => {
      const product = find(model, 'Mul').outputs[0]!;
      product.replaceAllUsesWith(
        model.graph.addInitializer('folded', f32Tensor([2, 5], new Float32Array(10).fill(1))),
      );
    },
    /"folded" is neither a factor/,
  ],
  [
    'factors in another order',
    'token',
    (model) => {
      const [first, second] = [find(model, 'MatMul', 1), find(model, 'MatMul', 2)];
      const [a, b] = [first.inputs[1]!, second.inputs[1]!];
      first.setInput(1, b);
      second.setInput(1, a);
    },
    /it multiplies x by/,
  ],
  [
    'another op in place of the sum',
    'token',
    (model) => {
      const sum = find(model, 'Add');
      const b = new GraphBuilder(model.graph, { before: sum, pass: 'test' });
      const fresh = b.one('Sub', [...sum.inputs]);
      sum.outputs[0]!.replaceAllUsesWith(fresh);
      model.graph.erase(sum);
    },
    /comes from Sub, not from an Add/,
  ],
  [
    'the base read elsewhere',
    'fold',
    (model) => model.graph.addOutput(find(model, 'Add').inputs[0]!),
    /is read elsewhere/,
  ],
  [
    'another scale at the call',
    'function',
    (model) => find(model, 'LoTRLinear_nobias').setAttr('scale', attrFloat(2)),
    /scaled by 2, the plan by 0.5/,
  ],
  [
    'another function body',
    'function',
    (model) => {
      const fn = [...model.functions.values()][0]!;
      const sum = [...fn.graph.nodes].at(-1)!;
      sum.setInput(1, sum.inputs[0]!);
    },
    /the function lotrc::LoTRLinear_nobias was changed/,
  ],
  [
    'no function',
    'function',
    (model) => model.removeFunction('lotrc::LoTRLinear_nobias'),
    /the model has no function/,
  ],
];

test.each(changes)('%s is noticed in a model written as %s', (_name, kind, change, message) => {
  const model = written(kind);
  change(model);
  const said = refusal(() => raiseAdapters(model, 'test'));
  expect(said).toMatch(/^LOTR3203 /);
  expect(said).toMatch(message);
});

test('a product bracketed in another way is the same layer', () => {
  const model = written('fold');
  const [xR, delta] = [find(model, 'MatMul', 2), find(model, 'MatMul', 3)];
  expect([xR.inputs[0]!.name, delta.outputs[0]!.name]).toEqual(['x', 'lotr/linear0_7x5/delta']);
  const sum = find(model, 'Add');
  sum.setInput(0, sum.inputs[0]!);
  const b = new GraphBuilder(model.graph, { before: delta, pass: 'test' });
  const all = b.one('MatMul', [xR.inputs[1]!, delta.inputs[1]!]);
  sum.setInput(1, b.one('MatMul', [xR.inputs[0]!, all]));
  expect(raiseAdapters(model, 'test')).toBe(1);
});

test('a model without a plan, and with one that cannot be read', () => {
  const base = layerModel();
  expect(refusal(() => raiseAdapters(base, 'merge'))).toMatch(/^LOTR3201 cannot merge/);
  base.setMetadata('lotrc.adapters', '{"version":5}');
  expect(refusal(() => raiseAdapters(base, 'merge'))).toMatch(/^LOTR3202 .*version 5/);
  const plan = (weights: unknown) => JSON.stringify({ version: 2, plans: [], weights });
  const place = { tensor: 'w', digest: '', transposed: false };
  for (const [weights, why] of [
    [3, /not a list/],
    [[{ name: 'w', shape: [2], places: [{ ...place, digest: 1 }] }], /digest that is not text/],
    [[{ name: 'w', shape: ['n'], places: [place] }], /not a whole number/],
    [[{ name: 'v', shape: [2], places: [place] }], /no place of its own/],
    [[{ name: 'w', shape: [2, 2], places: [{ ...place, transposed: true }] }], /no place of its own/],
  ] as const) {
    base.setMetadata('lotrc.adapters', plan(weights));
    expect(refusal(() => raiseAdapters(base, 'merge'))).toMatch(why);
  }
});
