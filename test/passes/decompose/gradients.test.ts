import { expect, test } from 'vitest';
import { attrFloat, attrInt, attrInts } from '../../../src/ir/attr.js';
import { decompose } from '../../../src/passes/decompose/decompose.js';
import { type Case, gradcheck, x } from '../../support/gradcheck.js';
import { boolTensor, f64Tensor, i32Tensor } from './tensors.js';

/** Central differences in float64 against the gradients of what the pass makes. */

const ATTENTION = { op: 'Attention', opset: 23 } as const;
const FLAT = { q_num_heads: attrInt(4), kv_num_heads: attrInt(2) };
const MS = { domain: 'com.microsoft', opset: 17 } as const;
const MULTI = { ...MS, op: 'MultiHeadAttention' } as const;
const TWO = { num_heads: attrInt(2) };
const MASK = i32Tensor([2, 3], [1, 1, 0, 0, 0, 1]);
const GROUPED = { ...MS, op: 'GroupQueryAttention', outputs: 3 } as const;
const SHARED = { num_heads: attrInt(4), kv_num_heads: attrInt(2) };
const ROWS = [null, null, i32Tensor([2], [2, 1]), i32Tensor([1], [3])] as const;
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
  ['multi-head', { ...MULTI, inputs: [x(2, 3, 4), x(2, 4, 4), x(2, 4, 6), x(14)], attrs: TWO }],
  [
    'multi-head: keys split into heads, all outputs',
    { ...MULTI, inputs: [x(2, 3, 4), x(2, 2, 4, 2), x(2, 2, 4, 3)], attrs: TWO, outputs: 3 },
  ],
  [
    'multi-head: padding, bias of scores, causal',
    {
      ...MULTI,
      inputs: [x(2, 3, 4), x(2, 3, 4), x(2, 3, 4), null, MASK, x(1, 2, 3, 3)],
      attrs: { ...TWO, unidirectional: attrInt(1), mask_filter_value: attrFloat(-1.5) },
    },
  ],
  ['packed', { ...MS, op: 'Attention', inputs: [x(2, 3, 5), x(5, 12), x(12)], attrs: TWO }],
  [
    'packed: padding, causal, values of another width',
    {
      ...MS,
      op: 'Attention',
      inputs: [x(2, 3, 5), x(5, 14), x(14), MASK],
      attrs: { ...TWO, unidirectional: attrInt(1), qkv_hidden_sizes: attrInts([4, 4, 6]) },
    },
  ],
  ['packed: no bias', { ...MS, op: 'Attention', inputs: [x(2, 3, 5), x(5, 12)], attrs: TWO }],
  ['grouped', { ...GROUPED, inputs: [x(2, 3, 8), x(2, 3, 4), x(2, 3, 4), ...ROWS], attrs: SHARED }],
  [
    'grouped: packed, rotated, capped',
    {
      ...GROUPED,
      inputs: [
        x(2, 3, 16),
        null,
        null,
        ...ROWS,
        f64Tensor([3, 1], [1, 0.6, -0.3]),
        f64Tensor([3, 1], [0, 0.8, 0.9]),
      ],
      attrs: { ...SHARED, do_rotary: attrInt(1), softcap: attrFloat(0.8) },
    },
  ],
])('%s', (_, given) => {
  expect(gradcheck({ ...given, lower: decompose })).toBeLessThan(1e-6);
});
