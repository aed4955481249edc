import { describe, expect, test } from 'vitest';
import { attrInt, attrString } from '../../../src/ir/attr.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { tensorType } from '../../../src/ir/shape.js';
import { i64Tensor, MemoryTensor } from '../../../src/ir/tensor.js';
import { encodeFloats } from '../../../src/ir/values.js';
import { differentiate } from '../../../src/passes/autodiff/engine.js';
import { type Case, gradcheck, positive, x } from '../../support/gradcheck.js';

const ms = { domain: 'com.microsoft' } as const;
const one = (value: number) => i64Tensor([1], [value]);
/** A table of cosines or sines: fixed. */
const angles = new MemoryTensor('f64', [1, 3, 2], encodeFloats('f64', [0.9, -0.2, -0.7, 1, -0.1, -0.9]));

function refusal(given: Case): string {
  try {
    gradcheck(given);
  } catch (error) {
    if (error instanceof LotrcError) return error.diagnostics[0]!.code;
    throw error;
  }
  return 'none';
}

describe('what has no gradient is refused, never zero', () => {
  test.each<[string, Case]>([
    ['an op without a rule', { op: 'ReduceProd', inputs: [positive(3)] }],
    [
      'angles of a rotation',
      { op: 'RotaryEmbedding', opset: 23, inputs: [x(1, 2, 3, 4), x(1, 3, 2), angles] },
    ],
    [
      'a FusedMatMul of a transposed matrix and a vector',
      { ...ms, op: 'FusedMatMul', inputs: [x(3, 5), x(3)], attrs: { transA: attrInt(1) } },
    ],
    [
      'a Slice with steps that only a run knows',
      { op: 'Slice', inputs: [x(6), one(0), one(6), one(0), { fed: one(2) }] },
    ],
    [
      'a loss that reads the mean of a LayerNormalization',
      { op: 'LayerNormalization', inputs: [x(2, 3, 5), x(5)], outputs: 2, read: [0, 1] },
    ],
    [
      'a sum inside one Einsum operand',
      { op: 'Einsum', inputs: [x(2, 3), x(2)], attrs: { equation: attrString('ij,k->k') } },
    ],
  ])('%s', (_name, given) => expect(refusal(given)).toBe('LOTR4201'));

  test.each([
    ['FusedMatMul', 'transBatchA', attrInt(1), /batches of its operands/],
    ['FusedGemm', 'activation', attrString('Celu'), /activation Celu/],
  ] as const)('%s with %s', (op, name, attr, why) => {
    const graph = new Graph('case');
    const model = new Model(graph);
    model.setOpset('', 21);
    model.setOpset('com.microsoft', 1);
    const inputs = ['a', 'b'].map((input) => graph.addInput(input, tensorType('f32', [3, 3])));
    const [y] = graph.append({
      op,
      domain: 'com.microsoft',
      inputs,
      outputs: ['y'],
      attrs: [[name, attr]],
    }).outputs;
    const seeds = new Map([[y!, graph.addInput('seed', tensorType('f32', [3, 3]))]]);
    expect(() => differentiate(graph, { seeds, wrt: inputs })).toThrow(why);
  });
});
