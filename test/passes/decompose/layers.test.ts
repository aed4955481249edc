import { expect, test } from 'vitest';
import type { Model } from '../../../src/ir/model.js';
import { tensorType } from '../../../src/ir/shape.js';
import { decompose } from '../../../src/passes/decompose/decompose.js';
import { isValid } from '../../support/is-valid.js';
import { buildCase, tensor } from '../../support/op-case.js';

/** Two layers of attention over the same keys, values and mask; `w` enters before the second. */
function layers(): Model {
  const mask = tensor('bool', [3, 3], [0, 1, 0, 0, 1, 1, 1, 0, 1]);
  const four = [2, 2, 3, 4];
  const { model } = buildCase('Attention', [four, four, four, mask], { opset: 23, attrs: { is_causal: 1 } });
  const { graph } = model;
  const first = graph.nodes.first!;
  const w = graph.addInput('w', tensorType('f32', four));
  const sum = graph.append({
    op: 'Add',
    domain: '',
    inputs: [first.outputs[0]!, w],
    outputs: ['sum'],
    attrs: [],
  });
  const second = graph.append({
    op: 'Attention',
    domain: '',
    inputs: [sum.outputs[0]!, ...first.inputs.slice(1)],
    outputs: ['z'],
    attrs: [...first.attrs],
  });
  graph.addOutput(second.outputs[0]!);
  return model;
}

const count = (model: Model, op: string): number =>
  [...model.graph.nodes].filter((node) => node.op === op).length;

test('layers of one model share what is derived of the masks', () => {
  const model = layers();
  expect(decompose(model)).toBe(2);
  expect(isValid(model)).toBe(true);
  const ops = ['Attention', 'Softmax', 'Range', 'And', 'ReduceMax', 'Greater'];
  expect(ops.map((op) => count(model, op))).toEqual([0, 2, 2, 1, 1, 2]);
});

test('only what depends on a trained value is lowered', () => {
  const model = layers();
  expect(decompose(model, ['w'])).toBe(1);
  expect(isValid(model)).toBe(true);
  expect(model.graph.own('y0')!.producer!.op).toBe('Attention');
  expect(count(model, 'Softmax')).toBe(1);
  expect(decompose(layers(), ['x0'])).toBe(2);
  expect(decompose(layers(), ['none'])).toBe(0);
});
