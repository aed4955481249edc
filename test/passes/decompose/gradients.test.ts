import { expect, test } from 'vitest';
import { attrFloat, attrInt } from '../../../src/ir/attr.js';
import { decompose } from '../../../src/passes/decompose/decompose.js';
import { type Case, gradcheck, x } from '../../support/gradcheck.js';
import { boolTensor, f64Tensor } from './tensors.js';

/** Central differences in float64 against the gradients of what the pass makes. */

const ATTENTION = { op: 'Attention', opset: 23 } as const;
const FLAT = { q_num_heads: attrInt(4), kv_num_heads: attrInt(2) };
const SHORT: Case['inputs'] = [x(1, 2, 3, 4), x(1, 2, 2, 4), x(1, 2, 2, 3)];

test.each<[string, Case]>([
  ['4-D', { ...ATTENTION, inputs: [x(2, 3, 4, 5), x(2, 3, 3, 5), x(2, 3, 3, 2)] }],
  ['3-D, shared heads', { ...ATTENTION, inputs: [x(2, 3, 12), x(2, 4, 6), x(2, 4, 4)], attrs: FLAT }],
  [
    'causal, capped, scaled',
    {
      ...ATTENTION,
      inputs: SHORT,
      attrs: { is_causal: attrInt(1), softcap: attrFloat(0.7), scale: attrFloat(0.6) },
    },
  ],
  ['a query without keys', { ...ATTENTION, inputs: [...SHORT, boolTensor([3, 2], [1, 0, 0, 0, 1, 1])] }],
  [
    'a query whose keys are all at minus infinity',
    { ...ATTENTION, inputs: [...SHORT, f64Tensor([3, 2], [0.5, -Infinity, -Infinity, -Infinity, 0.25, -1])] },
  ],
  ['a mask that is trained', { ...ATTENTION, inputs: [...SHORT, x(2, 1, 2)] }],
  ['all outputs', { ...ATTENTION, inputs: SHORT, outputs: 3 }],
  [
    'extents known at run time',
    {
      ...ATTENTION,
      inputs: [
        { shape: [2, 3, 12], declared: ['batch', 'queries', 12] },
        { shape: [2, 4, 6], declared: ['batch', 'keys', 6] },
        { shape: [2, 4, 4], declared: ['batch', 'keys', 4] },
      ],
      attrs: { ...FLAT, is_causal: attrInt(1) },
    },
  ],
])('%s', (_, given) => {
  expect(gradcheck({ ...given, lower: decompose })).toBeLessThan(1e-6);
});
