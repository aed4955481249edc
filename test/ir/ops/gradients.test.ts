import { describe, expect, test } from 'vitest';
import { type Attr, attrFloat, attrInt, attrInts, attrString } from '../../../src/ir/attr.js';
import { i64Tensor, MemoryTensor } from '../../../src/ir/tensor.js';
import { encodeFloats } from '../../../src/ir/values.js';
import { type Case, gradcheck, positive, type Wanted, x } from '../../support/gradcheck.js';

const f64 = (shape: readonly number[], data: readonly number[]) =>
  new MemoryTensor('f64', shape, encodeFloats('f64', data));
const bool = (shape: readonly number[], data: readonly number[]) =>
  new MemoryTensor('bool', shape, Uint8Array.from(data));
const ints = (...data: number[]) => i64Tensor([data.length], data);
/** Numbers of the factors of Resize. */
const floats = (...data: number[]) => new MemoryTensor('f32', [data.length], encodeFloats('f32', data));
/** A bound beyond any extent, as exporters write it. */
const FAR = 2 ** 31 - 1;
const classes = (shape: readonly number[], ...data: number[]) => i64Tensor(shape, data);
const CLASS_WEIGHTS = f64([5], [0.5, 1.25, 0.75, 2, 0.1]);
const ms = { domain: 'com.microsoft' } as const;
/** A table of cosines or sines: fixed. */
const angle = (...shape: number[]) =>
  f64(
    shape,
    Array.from({ length: shape.reduce((a, c) => a * c, 1) }, (_, i) => Math.sin(1 + 2.3 * i)),
  );

/**
 * What operators do not declare as cases of their own (declared-gradients.test.ts): extents known at run time only, other operator
 * sets, all combinations of attributes. Every differentiated input is checked.
 */
const CASES: readonly (readonly [string, Case])[] = [
  ...(['Add', 'Sub', 'Mul'] as const).flatMap((op): [string, Case][] => [
    [`${op}`, { op, inputs: [x(3, 5), x(3, 5)] }],
    [`${op}, row and column`, { op, inputs: [x(3, 1), x(1, 5)] }],
    [`${op}, vector over rank 3`, { op, inputs: [x(2, 3, 5), x(5)] }],
    [`${op}, rank 0`, { op, inputs: [x(), x(3, 2)] }],
    [`${op}, unit axis in the middle`, { op, inputs: [x(7), x(2, 1, 7)] }],
    [
      `${op}, extents known at run time only`,
      {
        op,
        inputs: [
          { shape: [2, 1, 5], declared: ['a', 'b', 5] },
          { shape: [3, 5], declared: ['c', 5] },
        ],
      },
    ],
  ]),
  ['Div', { op: 'Div', inputs: [x(3, 5), positive(5)] }],
  ['Div by a number', { op: 'Div', inputs: [x(3, 5), positive()] }],
  ...(['Sqrt', 'Reciprocal', 'Log'] as const).map((op): [string, Case] => [
    op,
    { op, inputs: [positive(3, 7)] },
  ]),
  ...[0, 1, 2, 3, 0.5, -1].map((e): [string, Case] => [
    `Pow to ${e}`,
    { op: 'Pow', inputs: [positive(3, 5), f64([], [e])] },
  ]),
  ['Pow, an exponent alone', { op: 'Pow', inputs: [f64([3, 1], [2, 0, 0.5]), positive(3, 5)] }],
  [
    'Pow, an exponent for each element, one of them 0 over 0',
    { op: 'Pow', inputs: [{ shape: [4], data: [0, 1.5, -0.7, 2] }, f64([4], [0, -1.5, 3, 0.5])] },
  ],
  ['Pow, integer exponents', { op: 'Pow', inputs: [positive(2, 3), ints(2, 0, -1)] }],
  ['Pow to 3 at zero', { op: 'Pow', inputs: [{ shape: [3], data: [0, -1, 2] }, f64([1], [3])] }],
  ['Min', { op: 'Min', inputs: [x(3, 5), x(3, 5)] }],
  ['Clip', { op: 'Clip', inputs: [x(4, 5), f64([], [-0.5]), f64([], [0.5])] }],
  ['Where, broadcast', { op: 'Where', inputs: [bool([3, 1], [1, 0, 1]), x(3, 5), x(5)] }],
  ['Dropout, inference', { op: 'Dropout', inputs: [x(3, 5)], opset: 13 }],
  ['MatMul 2x2', { op: 'MatMul', inputs: [x(3, 5), x(5, 7)] }],
  ['MatMul 3x2', { op: 'MatMul', inputs: [x(2, 3, 5), x(5, 7)] }],
  [
    'MatMul 4x2, symbolic',
    { op: 'MatMul', inputs: [{ shape: [2, 1, 3, 5], declared: ['b', 'h', null, 5] }, x(5, 2)] },
  ],
  ['MatMul 3x3', { op: 'MatMul', inputs: [x(2, 3, 5), x(2, 5, 7)] }],
  [
    'MatMul, batch broadcast at run time',
    {
      op: 'MatMul',
      inputs: [
        { shape: [1, 3, 5], declared: ['a', 3, 5] },
        { shape: [4, 5, 2], declared: ['c', 5, 2] },
      ],
    },
  ],
  ['MatMul 2x3', { op: 'MatMul', inputs: [x(3, 5), x(4, 5, 2)] }],
  ['MatMul vector x vector', { op: 'MatMul', inputs: [x(5), x(5)] }],
  ['MatMul inner extent 1', { op: 'MatMul', inputs: [x(3, 1), x(1, 4)] }],
  ...[0, 1].flatMap((transA) =>
    [0, 1].map((transB): [string, Case] => [
      `Gemm transA=${transA} transB=${transB}`,
      {
        op: 'Gemm',
        inputs: [transA ? x(5, 3) : x(3, 5), transB ? x(7, 5) : x(5, 7), x(7)],
        attrs: {
          transA: attrInt(transA),
          transB: attrInt(transB),
          alpha: attrFloat(0.5),
          beta: attrFloat(-1.5),
        },
      },
    ]),
  ),
  ['Gemm, C a column', { op: 'Gemm', inputs: [x(3, 5), x(5, 7), x(3, 1)] }],
  ['Gemm without C', { op: 'Gemm', inputs: [x(3, 5), x(5, 7)] }],
  ['Reshape', { op: 'Reshape', inputs: [x(3, 4), ints(2, -1)] }],
  ['Reshape, symbolic', { op: 'Reshape', inputs: [{ shape: [3, 4], declared: ['n', 4] }, ints(-1, 2)] }],
  ['Squeeze', { op: 'Squeeze', inputs: [x(3, 1, 4), ints(-2)] }],
  ['Unsqueeze', { op: 'Unsqueeze', inputs: [x(3, 4), ints(0, -1)] }],
  ['Expand', { op: 'Expand', inputs: [x(3, 1), ints(2, 3, 4)] }],
  ['Expand at run time', { op: 'Expand', inputs: [{ shape: [1, 3], declared: ['a', 3] }, ints(4, 3)] }],
  [
    'Concat, symbolic',
    {
      op: 'Concat',
      inputs: [
        { shape: [2, 3], declared: ['a', 3] },
        { shape: [1, 3], declared: ['b', 3] },
      ],
      attrs: { axis: attrInt(0) },
    },
  ],
  ['Split', { op: 'Split', inputs: [x(2, 7), ints(3, 4)], outputs: 2, attrs: { axis: attrInt(1) } }],
  [
    'Split, one part unused',
    { op: 'Split', inputs: [x(6, 2), ints(2, 2, 2)], outputs: 3, read: [0, 2], attrs: { axis: attrInt(0) } },
  ],
  ['Slice', { op: 'Slice', inputs: [x(4, 7), ints(1, 2), ints(3, 1000), ints(0, -1)] }],
  ['Slice from the end', { op: 'Slice', inputs: [x(4, 7), ints(-3), ints(-1), ints(1)] }],
  [
    'Slice, symbolic',
    {
      op: 'Slice',
      inputs: [{ shape: [4, 7], declared: ['a', 'b'] }, ints(-2, 1), ints(1000, -1), ints(0, 1)],
    },
  ],
  ['Slice beyond the start', { op: 'Slice', inputs: [x(4, 3), ints(-100), ints(2), ints(0)] }],
  ...(
    [
      ['every second', 7, [0, FAR, 2]],
      ['every second of an even extent, from the second', 6, [1, FAR, 2]],
      ['every third, from the middle', 11, [4, 10, 3]],
      ['a step wider than what is left', 7, [5, 7, 4]],
      ['backwards', 5, [-1, -FAR, -1]],
      ['backwards, a part', 7, [4, 1, -1]],
      ['backwards, every second', 7, [FAR, -FAR, -2]],
      ['backwards, every third to the first', 8, [6, -FAR, -3]],
    ] as const
  ).flatMap(([name, extent, [start, end, step]]): [string, Case][] => [
    [`Slice, ${name}`, { op: 'Slice', inputs: [x(3, extent), ints(start), ints(end), ints(1), ints(step)] }],
    [
      `Slice, ${name}, extents known at run time only`,
      {
        op: 'Slice',
        inputs: [
          { shape: [2, extent, 3], declared: ['a', 'b', 3] },
          ints(start),
          ints(end),
          ints(-2),
          ints(step),
        ],
      },
    ],
    [
      `Slice, ${name}, bounds known at run time only`,
      {
        op: 'Slice',
        inputs: [
          { shape: [2, extent, 3], declared: ['a', 'b', 3] },
          { fed: ints(start) },
          { fed: ints(end) },
          ints(1),
          ints(step),
        ],
      },
    ],
  ]),
  [
    'Slice with steps along three axes',
    {
      op: 'Slice',
      inputs: [x(5, 6, 7), ints(-1, 1, 0), ints(-FAR, 5, FAR), ints(0, 2, 1), ints(-2, 3, 2)],
    },
  ],
  [
    'Slice with steps, opset 10',
    { op: 'Slice', opset: 10, inputs: [x(5, 7), ints(1, -1), ints(5, 0), ints(0, 1), ints(2, -3)] },
  ],
  [
    'Slice of two axes, bounds known at run time only',
    { op: 'Slice', inputs: [x(5, 7), { fed: ints(1, -3) }, { fed: ints(4, FAR) }, ints(1, 0)] },
  ],
  ['Slice of nothing, backwards', { op: 'Slice', inputs: [x(5, 3), ints(1), ints(3), ints(0), ints(-2)] }],
  ['Tile both axes', { op: 'Tile', inputs: [x(2, 3), ints(3, 2)] }],
  ['Tile, repeats known at run time only', { op: 'Tile', inputs: [x(2, 3, 2), { fed: ints(3, 1, 2) }] }],
  [
    'Tile of extents known at run time only',
    { op: 'Tile', inputs: [{ shape: [2, 3], declared: ['a', 'b'] }, { fed: ints(2, 3) }] },
  ],
  ['Pad', { op: 'Pad', inputs: [x(2, 3), ints(1, 0, 0, 2)] }],
  ['Pad that cuts off', { op: 'Pad', inputs: [x(5, 6), ints(-1, 2, -2, -3)] }],
  ['Pad, pads known at run time only', { op: 'Pad', inputs: [x(5, 6), { fed: ints(-1, 2, 0, -3) }] }],
  ['Pad of chosen axes', { op: 'Pad', inputs: [x(2, 3, 4), ints(1, 2, 0, 3), null, ints(-1, 0)] }],
  ['Pad with a trained constant', { op: 'Pad', inputs: [x(2, 3), ints(1, -1, 0, 2), x()] }],
  ['Pad of opset 10', { op: 'Pad', opset: 10, inputs: [x(4, 5)], attrs: { pads: attrInts([2, -1, -1, 3]) } }],
  ...(['reflect', 'edge', 'wrap'] as const).flatMap((mode): [string, Case][] => [
    [
      `Pad, ${mode}`,
      { op: 'Pad', inputs: [x(2, 3, 5), ints(0, 2, 1, 0, 1, 3)], attrs: { mode: attrString(mode) } },
    ],
    [
      `Pad, ${mode}, all known at run time only`,
      {
        op: 'Pad',
        inputs: [{ shape: [3, 4, 2], declared: ['a', 'b', 2] }, { fed: ints(1, 2, 0, 0, 3, 1) }],
        attrs: { mode: attrString(mode) },
      },
    ],
  ]),
  ...(['ReduceSum', 'ReduceMean', 'ReduceSumSquare'] as const).flatMap((op): [string, Case][] => [
    [`${op} over one axis`, { op, inputs: [x(2, 3, 4), ints(-2)], attrs: { keepdims: attrInt(0) } }],
    [`${op}, axes kept`, { op, inputs: [x(2, 3, 4), ints(0, 2)] }],
    [`${op} over all`, { op, inputs: [x(2, 3)], attrs: { keepdims: attrInt(0) } }],
    [
      `${op}, symbolic`,
      {
        op,
        inputs: [{ shape: [2, 3, 4], declared: ['a', 'b', 4] }, ints(1)],
        attrs: { keepdims: attrInt(0) },
      },
    ],
    [
      `${op} of opset 11`,
      { op, opset: 11, inputs: [x(2, 3, 4)], attrs: { axes: attrInts([1]), keepdims: attrInt(0) } },
    ],
  ]),
  ['ReduceL2', { op: 'ReduceL2', inputs: [x(3, 5), ints(1)] }],
  ['ReduceMax', { op: 'ReduceMax', inputs: [x(3, 5), ints(1)], attrs: { keepdims: attrInt(0) } }],
  ['ReduceMin over all', { op: 'ReduceMin', inputs: [x(3, 5)], attrs: { keepdims: attrInt(0) } }],
  ...(['mean', 'sum', 'none'] as const).flatMap((reduction): [string, Case][] =>
    (
      [
        ['', [x(4, 5), classes([4], 0, 4, 2, 2)], {}],
        [
          ', weights and places',
          [x(2, 5, 3), classes([2, 3], 0, 4, 2, 1, -1, 3), CLASS_WEIGHTS],
          { ignore_index: attrInt(-1) },
        ],
        [
          ', symbolic',
          [{ shape: [3, 5], declared: ['n', 'c'] }, classes([3], 7, 1, 4)],
          { ignore_index: attrInt(7) },
        ],
      ] as const
    ).flatMap(([what, inputs, attrs]): [string, Case][] => [
      [
        `SoftmaxCrossEntropyLoss, ${reduction}${what}`,
        {
          op: 'SoftmaxCrossEntropyLoss',
          opset: what === '' ? 12 : 17,
          inputs,
          outputs: 2,
          read: what === '' ? [0] : [0, 1],
          attrs: { ...attrs, reduction: attrString(reduction) },
        },
      ],
    ]),
  ),
  ...(['mean', 'sum', 'none'] as const).map((reduction): [string, Case] => [
    `NegativeLogLikelihoodLoss, ${reduction}, symbolic`,
    {
      op: 'NegativeLogLikelihoodLoss',
      opset: 18,
      inputs: [{ shape: [3, 5], declared: ['n', 'c'] }, classes([3], 7, 1, 4)],
      attrs: { ignore_index: attrInt(7), reduction: attrString(reduction) },
    },
  ]),
  ['Softmax', { op: 'Softmax', inputs: [x(3, 5)] }],
  [
    'Softmax of opset 11 flattens',
    { op: 'Softmax', opset: 11, inputs: [x(2, 3, 5)], attrs: { axis: attrInt(1) } },
  ],
  ['LogSoftmax', { op: 'LogSoftmax', inputs: [x(3, 5)], attrs: { axis: attrInt(0) } }],
  ['LayerNormalization', { op: 'LayerNormalization', inputs: [x(2, 3, 5), x(5), x(5)] }],
  [
    'LayerNormalization over two axes',
    { op: 'LayerNormalization', inputs: [x(2, 3, 5), x(3, 5)], attrs: { axis: attrInt(1) } },
  ],
  ['RMSNormalization', { op: 'RMSNormalization', opset: 23, inputs: [x(2, 3, 5), x(5)] }],
  ['SimplifiedLayerNormalization', { op: 'SimplifiedLayerNormalization', inputs: [x(2, 3, 5), x(5)] }],
  [
    'SkipLayerNormalization',
    {
      ...ms,
      op: 'SkipLayerNormalization',
      inputs: [x(2, 3, 5), x(2, 3, 5), x(5), x(5), x(5)],
      attrs: { epsilon: attrFloat(1e-5) },
    },
  ],
  [
    'SkipSimplifiedLayerNormalization',
    {
      ...ms,
      op: 'SkipSimplifiedLayerNormalization',
      inputs: [x(2, 3, 5), x(2, 3, 5), x(5), x(5)],
      attrs: { epsilon: attrFloat(1e-5) },
    },
  ],
  ['BiasGelu', { ...ms, op: 'BiasGelu', inputs: [x(2, 3, 5), x(5)] }],
  ['FastGelu', { ...ms, op: 'FastGelu', inputs: [x(2, 3, 5), x(5)] }],
  ['FastGelu without bias', { ...ms, op: 'FastGelu', inputs: [x(3, 5)] }],
  ['QuickGelu', { ...ms, op: 'QuickGelu', inputs: [x(3, 5)], attrs: { alpha: attrFloat(1.702) } }],
  ...[0, 1].flatMap((transA) =>
    [0, 1].flatMap((transB): [string, Case][] => {
      const turned = (t: number, ...shape: number[]) =>
        x(...shape.slice(0, -2), ...(t ? shape.slice(-2).reverse() : shape.slice(-2)));
      const attrs = { alpha: attrFloat(-0.75), transA: attrInt(transA), transB: attrInt(transB) };
      const product = (name: string, a: readonly number[], c: readonly number[]): [string, Case] => [
        `FusedMatMul ${name} transA=${transA} transB=${transB}`,
        { ...ms, op: 'FusedMatMul', inputs: [turned(transA, ...a), turned(transB, ...c)], attrs },
      ];
      return [
        product('2x2', [3, 5], [5, 7]),
        product('3x2', [2, 3, 5], [5, 7]),
        product('2x3', [3, 5], [2, 5, 7]),
        product('4x4, batch broadcast both ways', [2, 1, 3, 5], [1, 4, 5, 2]),
      ];
    }),
  ),
  [
    'FusedMatMul, symbolic',
    {
      ...ms,
      op: 'FusedMatMul',
      inputs: [{ shape: [2, 3, 5], declared: ['b', 's', 5] }, x(7, 5)],
      attrs: { transB: attrInt(1), alpha: attrFloat(0.5) },
    },
  ],
  [
    'FusedMatMul matrix x vector',
    { ...ms, op: 'FusedMatMul', inputs: [x(3, 5), x(5)], attrs: { transB: attrInt(1), alpha: attrFloat(2) } },
  ],
  ...(['Elu', 'HardSigmoid', 'LeakyRelu', 'Relu', 'Sigmoid', 'Softplus', 'Softsign', 'Tanh'] as const).map(
    (activation): [string, Case] => [
      `FusedGemm with ${activation}`,
      {
        ...ms,
        op: 'FusedGemm',
        inputs: [x(3, 5), x(7, 5), x(7)],
        attrs: {
          alpha: attrFloat(1.5),
          beta: attrFloat(-0.5),
          transB: attrInt(1),
          activation: attrString(activation),
          activation_alpha: attrFloat(0.25),
          activation_beta: attrFloat(0.5),
        },
      },
    ],
  ),
  ['FusedGemm without an activation', { ...ms, op: 'FusedGemm', inputs: [x(3, 5), x(5, 7)] }],
  [
    'EmbedLayerNormalization',
    {
      ...ms,
      op: 'EmbedLayerNormalization',
      inputs: [
        i64Tensor([2, 3], [1, 4, 1, 0, 1, 2]),
        i64Tensor([2, 3], [0, 1, 1, 0, 0, 1]),
        x(5, 7),
        x(4, 7),
        x(2, 7),
        x(7),
        x(7),
      ],
      outputs: 3,
      read: [0, 2],
      attrs: { epsilon: attrFloat(1e-5) },
    },
  ],
  [
    'EmbedLayerNormalization with positions for all rows, without segments',
    {
      ...ms,
      op: 'EmbedLayerNormalization',
      inputs: [
        i64Tensor([2, 3], [1, 4, 1, 0, 1, 2]),
        null,
        x(5, 7),
        x(4, 7),
        null,
        x(7),
        x(7),
        null,
        i64Tensor([1, 3], [3, 0, 3]),
      ],
      read: [0],
    },
  ],
  [
    'RotaryEmbedding',
    { op: 'RotaryEmbedding', opset: 23, inputs: [x(2, 3, 5, 8), angle(2, 5, 4), angle(2, 5, 4)] },
  ],
  ...[0, 1].map((interleaved): [string, Case] => [
    `RotaryEmbedding of a part, positions given, interleaved=${interleaved}`,
    {
      op: 'RotaryEmbedding',
      opset: 23,
      inputs: [x(2, 3, 14), angle(5, 2), angle(5, 2), i64Tensor([2, 3], [0, 4, 1, 2, 2, 3])],
      attrs: {
        interleaved: attrInt(interleaved),
        num_heads: attrInt(2),
        rotary_embedding_dim: attrInt(4),
      },
    },
  ]),
  ...[0, 1].map((interleaved): [string, Case] => [
    `com.microsoft RotaryEmbedding, interleaved=${interleaved}`,
    {
      ...ms,
      op: 'RotaryEmbedding',
      inputs: [x(2, 3, 12), i64Tensor([2, 3], [0, 4, 1, 2, 2, 3]), angle(5, 3), angle(5, 3)],
      attrs: { interleaved: attrInt(interleaved) },
    },
  ]),
  [
    'com.microsoft RotaryEmbedding of a part, one offset',
    {
      ...ms,
      op: 'RotaryEmbedding',
      inputs: [x(1, 2, 3, 7), i64Tensor([1], [2]), angle(5, 2), angle(5, 2)],
      attrs: { num_heads: attrInt(1), rotary_embedding_dim: attrInt(4), scale: attrFloat(0.5) },
    },
  ],
  ['Gather one row, rank 0', { op: 'Gather', inputs: [x(4, 5), i64Tensor([], [2])] }],
  [
    'Gather the last row',
    { op: 'Gather', inputs: [x(2, 4, 5), i64Tensor([], [-1])], attrs: { axis: attrInt(1) } },
  ],
  ['Gather one row, rank 1', { op: 'Gather', inputs: [x(2, 4), ints(3)], attrs: { axis: attrInt(-1) } }],
  ['Gather with repeats', { op: 'Gather', inputs: [x(4, 3), ints(1, -1, 1, 0)] }],
  [
    'Gather by a matrix, symbolic',
    {
      op: 'Gather',
      inputs: [{ shape: [2, 4, 3], declared: ['a', 'b', 3] }, i64Tensor([2, 2], [1, 3, 1, 0])],
      attrs: { axis: attrInt(1) },
    },
  ],
  [
    'GatherElements',
    { op: 'GatherElements', inputs: [x(3, 4), i64Tensor([2, 4], [0, 2, 1, 0, 0, 2, -1, 1])] },
  ],
  ['GatherND', { op: 'GatherND', inputs: [x(3, 4, 2), i64Tensor([3, 2], [0, 1, 2, 3, 0, 1])] }],
  [
    'GatherND after a common dimension',
    {
      op: 'GatherND',
      inputs: [x(2, 4, 3), i64Tensor([2, 3, 1], [0, 2, 0, 3, -1, 1])],
      attrs: { batch_dims: attrInt(1) },
    },
  ],
  [
    'GatherND after two common dimensions known at run time only',
    {
      op: 'GatherND',
      inputs: [{ shape: [2, 3, 4], declared: ['a', 'b', 4] }, i64Tensor([2, 3, 1], [0, 2, 0, 3, -1, 1])],
      attrs: { batch_dims: attrInt(2) },
    },
  ],
  ['Det', { op: 'Det', inputs: [x(2, 4, 4)] }],
  ['Det of one by one, of a matrix', { op: 'Det', inputs: [x(2, 3, 1, 1)] }],
  [
    'Det of a singular matrix',
    { op: 'Det', inputs: [{ shape: [3, 3], data: [1, 2, 3, 2, 4, 6, 0.5, -1, 2] }] },
  ],
  [
    'Det, how many known at run time only',
    { op: 'Det', inputs: [{ shape: [2, 3, 3], declared: ['n', 3, 3] }] },
  ],
  ['Einsum', { op: 'Einsum', inputs: [x(2, 3, 4), x(4, 5)], attrs: { equation: attrString('bij,jk->bik') } }],
  [
    'HardSwish beyond its bends',
    { op: 'HardSwish', inputs: [{ shape: [5], data: [-4, -2, 0.5, 2.9, 3.5] }] },
  ],
  ...(['Elu', 'Celu', 'LeakyRelu'] as const).map((op): [string, Case] => [
    op,
    { op, inputs: [x(3, 7)], attrs: { alpha: attrFloat(0.75) } },
  ]),
  ['Selu', { op: 'Selu', inputs: [x(3, 7)], attrs: { alpha: attrFloat(1.5), gamma: attrFloat(0.75) } }],
  ['ThresholdedRelu', { op: 'ThresholdedRelu', inputs: [x(3, 7)], attrs: { alpha: attrFloat(0.25) } }],
  [
    'HardSigmoid',
    {
      op: 'HardSigmoid',
      inputs: [{ shape: [5], data: [-3, -0.25, 0.25, 0.5, 2] }],
      attrs: { alpha: attrFloat(0.5), beta: attrFloat(0.25) },
    },
  ],
  ['PRelu, one slope', { op: 'PRelu', inputs: [x(3, 5), x(1)] }],
  ...[0, 1].flatMap((exclusive) =>
    [0, 1].map((reverse): [string, Case] => [
      `CumSum exclusive=${exclusive} reverse=${reverse}`,
      {
        op: 'CumSum',
        inputs: [x(3, 4, 2), i64Tensor([], [-2])],
        attrs: { exclusive: attrInt(exclusive), reverse: attrInt(reverse) },
      },
    ]),
  ),
  ['Trilu, lower', { op: 'Trilu', inputs: [x(2, 3, 5), i64Tensor([], [1])], attrs: { upper: attrInt(0) } }],
  ['Trilu, upper', { op: 'Trilu', inputs: [x(4, 3)] }],
  ['DepthToSpace', { op: 'DepthToSpace', inputs: [x(2, 12, 3, 5)], attrs: { blocksize: attrInt(2) } }],
  [
    'DepthToSpace, column first',
    {
      op: 'DepthToSpace',
      inputs: [x(2, 18, 1, 2)],
      attrs: { blocksize: attrInt(3), mode: attrString('CRD') },
    },
  ],
  ['SpaceToDepth', { op: 'SpaceToDepth', inputs: [x(2, 3, 4, 6)], attrs: { blocksize: attrInt(2) } }],
  ['TopK', { op: 'TopK', inputs: [x(3, 7), ints(3)], outputs: 2, read: [0], attrs: { axis: attrInt(-1) } }],
  [
    'TopK, the least along the first axis',
    {
      op: 'TopK',
      inputs: [x(5, 2), ints(2)],
      outputs: 2,
      read: [0],
      attrs: { axis: attrInt(0), largest: attrInt(0) },
    },
  ],
  ...(['none', 'add'] as const).flatMap((reduction): [string, Case][] => [
    [
      `ScatterElements, ${reduction}`,
      {
        op: 'ScatterElements',
        inputs: [x(3, 4), i64Tensor([2, 3], [0, 2, -3, 2, 1, 1]), x(2, 3)],
        attrs: { axis: attrInt(0), reduction: attrString(reduction) },
      },
    ],
    [
      `ScatterND, ${reduction}`,
      {
        op: 'ScatterND',
        inputs: [x(4, 3, 2), i64Tensor([2, 1], [3, 0]), x(2, 3, 2)],
        attrs: { reduction: attrString(reduction) },
      },
    ],
  ]),
  [
    'ScatterElements adds twice at one place',
    {
      op: 'ScatterElements',
      inputs: [x(3, 2), i64Tensor([2, 2], [1, 1, 1, 0]), x(2, 2)],
      attrs: { reduction: attrString('add') },
    },
  ],
  ...(['GlobalAveragePool', 'GlobalMaxPool'] as const).flatMap((op): [string, Case][] => [
    [op, { op, inputs: [x(2, 3, 5, 2)] }],
    [`${op}, symbolic`, { op, inputs: [{ shape: [2, 3, 5], declared: ['n', 3, 'w'] }] }],
  ]),
  [
    'BatchNormalization without pixels',
    {
      op: 'BatchNormalization',
      inputs: [x(4, 3), x(3), x(3), f64([3], [0.1, -0.4, 2]), f64([3], [0.5, 2, 1])],
    },
  ],
  [
    'InstanceNormalization, symbolic',
    { op: 'InstanceNormalization', inputs: [{ shape: [2, 3, 5], declared: ['n', 3, 'w'] }, x(3), x(3)] },
  ],
  [
    'GroupNormalization',
    { op: 'GroupNormalization', inputs: [x(2, 6, 5), x(6), x(6)], attrs: { num_groups: attrInt(3) } },
  ],
  [
    'GroupNormalization, symbolic',
    {
      op: 'GroupNormalization',
      inputs: [{ shape: [2, 6, 5], declared: ['n', 6, 'w'] }, x(6), x(6)],
      attrs: { num_groups: attrInt(2) },
    },
  ],
  [
    'GroupNormalization of opset 18',
    {
      op: 'GroupNormalization',
      opset: 18,
      inputs: [x(2, 6, 5), x(3), x(3)],
      attrs: { num_groups: attrInt(3) },
    },
  ],
  ['LpNormalization', { op: 'LpNormalization', inputs: [x(3, 5)] }],
  [
    'LpNormalization, 1-norm',
    { op: 'LpNormalization', inputs: [x(3, 5)], attrs: { p: attrInt(1), axis: attrInt(0) } },
  ],
  ...(['ReduceL1', 'ReduceLogSumExp'] as const).flatMap((op): [string, Case][] => [
    [op, { op, inputs: [x(3, 5), ints(1)] }],
    [`${op}, axes dropped`, { op, inputs: [x(2, 3, 4), ints(0, -1)], attrs: { keepdims: attrInt(0) } }],
    [
      `${op} of opset 11`,
      { op, opset: 11, inputs: [x(2, 3, 4)], attrs: { axes: attrInts([1]), keepdims: attrInt(0) } },
    ],
  ]),
  [
    'ReduceLogSum',
    { op: 'ReduceLogSum', inputs: [positive(3, 5), ints(0)], attrs: { keepdims: attrInt(0) } },
  ],
  ...(['MaxPool', 'AveragePool'] as const).flatMap((op): [string, Case][] => {
    const over = (shape: number[], attrs: Record<string, Attr>, declared = shape as Wanted['declared']) =>
      ({ op, inputs: [{ shape, declared }], attrs }) as Case;
    const two = { kernel_shape: attrInts([3, 2]), strides: attrInts([2, 1]), pads: attrInts([1, 0, 0, 1]) };
    const three = {
      kernel_shape: attrInts([2, 3, 1]),
      dilations: attrInts([2, 1, 1]),
      strides: attrInts([1, 2, 2]),
    };
    const up = {
      kernel_shape: attrInts([3]),
      strides: attrInts([2]),
      pads: attrInts([1, 1]),
      ceil_mode: attrInt(1),
    };
    return [
      [
        `${op}, windows side by side`,
        over([2, 3, 4, 6], { kernel_shape: attrInts([2, 3]), strides: attrInts([2, 3]) }),
      ],
      [`${op}, overlapping, uneven pads`, over([1, 2, 7, 5], two)],
      [`${op}, extents known at run time only`, over([2, 2, 4, 5], two, ['n', 2, 'h', 'w'])],
      [`${op}, one axis, ceil_mode`, over([2, 2, 6], up)],
      [`${op}, one axis, ceil_mode, run time`, over([2, 2, 6], up, ['n', 'c', 'w'])],
      [
        `${op}, ceil_mode beyond the padding`,
        over([1, 2, 8], { ...up, kernel_shape: attrInts([4]), strides: attrInts([3]) }),
      ],
      [`${op}, three axes, dilated`, { ...over([1, 2, 4, 5, 3], three), opset: 22 }],
      ...(['SAME_UPPER', 'SAME_LOWER', 'VALID'] as const).map((auto): [string, Case] => [
        `${op}, ${auto}`,
        over([1, 2, 5, 6], {
          kernel_shape: attrInts([2, 3]),
          strides: attrInts([2, 2]),
          auto_pad: attrString(auto),
        }),
      ]),
      ...(op === 'AveragePool'
        ? [[], ['n', 2, 'h', 'w']].flatMap((declared, k): [string, Case][] => {
            const all = { ...two, count_include_pad: attrInt(1) };
            const shape = k === 0 ? [1, 2, 7, 5] : (declared as Wanted['declared']);
            return [
              [`${op}, padding counts, ${k}`, over([1, 2, 7, 5], all, shape)],
              [
                `${op}, padding counts, ceil_mode, ${k}`,
                over([1, 2, 7, 5], { ...all, ceil_mode: attrInt(1) }, shape),
              ],
            ];
          })
        : ([11, 15] as const).flatMap((opset): [string, Case][] => [
            [`${op}, overlapping, opset ${opset}`, { ...over([1, 2, 7, 5], two), opset }],
            [
              `${op}, side by side, opset ${opset}`,
              { ...over([1, 2, 6], { kernel_shape: attrInts([2]), strides: attrInts([2]) }), opset },
            ],
            [`${op}, dilated, opset ${opset}`, { ...over([1, 2, 4, 7, 3], three), opset }],
          ])),
    ];
  }),
  ...(
    [
      ['nearest', 'half_pixel', 'round_prefer_floor'],
      ['nearest', 'half_pixel', 'ceil'],
      ['nearest', 'asymmetric', 'floor'],
      ['nearest', 'asymmetric', 'round_prefer_ceil'],
      ['nearest', 'align_corners', 'round_prefer_floor'],
      ['nearest', 'pytorch_half_pixel', 'round_prefer_ceil'],
      ['nearest', 'tf_half_pixel_for_nn', 'floor'],
      ['linear', 'half_pixel', 'floor'],
      ['linear', 'align_corners', 'floor'],
      ['linear', 'pytorch_half_pixel', 'floor'],
      ['linear', 'half_pixel_symmetric', 'floor'],
      ['linear', 'asymmetric', 'floor'],
      ['cubic', 'half_pixel', 'floor'],
      ['cubic', 'align_corners', 'floor'],
      ['cubic', 'pytorch_half_pixel', 'floor'],
    ] as const
  ).flatMap(([mode, at, rounding]): [string, Case][] => {
    const attrs = {
      mode: attrString(mode),
      coordinate_transformation_mode: attrString(at),
      nearest_mode: attrString(rounding),
      cubic_coeff_a: attrFloat(-0.75),
    };
    const opset = at === 'half_pixel_symmetric' ? 19 : at === 'tf_half_pixel_for_nn' ? 11 : 17;
    // operator sets 11 and 12 have a region of interest in any case, and empty factors next to extents
    const [roi, none] = opset < 13 ? [floats(), floats()] : [null, null];
    const name = `Resize, ${mode}, ${at}, ${rounding}`;
    return [
      [
        `${name}, factors`,
        { op: 'Resize', opset, inputs: [x(1, 2, 3, 4), roi, floats(1, 1, 2, 0.6)], attrs },
      ],
      [
        `${name}, extents`,
        { op: 'Resize', opset, inputs: [x(2, 1, 4, 5), roi, none, ints(2, 1, 7, 3)], attrs },
      ],
      [
        `${name}, all known at run time only`,
        {
          op: 'Resize',
          opset,
          inputs: [
            { shape: [1, 2, 3, 4], declared: ['n', 2, 'h', 'w'] },
            roi,
            none,
            { fed: ints(1, 2, 5, 4) },
          ],
          attrs,
        },
      ],
    ];
  }),
  [
    'Resize of chosen axes, factors known at run time only',
    {
      op: 'Resize',
      inputs: [x(1, 2, 3, 4), null, { fed: floats(2, 1.5) }],
      attrs: { mode: attrString('linear'), axes: attrInts([-1, 2]) },
    },
  ],
  [
    'Resize of a volume',
    {
      op: 'Resize',
      inputs: [x(1, 2, 2, 3, 2), null, floats(1, 1, 2, 1.5, 2)],
      attrs: { mode: attrString('linear') },
    },
  ],
  [
    'Resize, nearest, a whole factor of extents known at run time only',
    {
      op: 'Resize',
      opset: 10,
      inputs: [{ shape: [1, 2, 3, 2], declared: ['n', 2, 'h', 'w'] }, floats(1, 1, 2, 3)],
    },
  ],
  ['ConvTranspose', { op: 'ConvTranspose', inputs: [x(2, 2, 3, 2), x(2, 3, 2, 3), x(3)] }],
  [
    'ConvTranspose, strides, dilations, uneven pads, output padding',
    {
      op: 'ConvTranspose',
      inputs: [x(1, 2, 2, 3), x(2, 3, 3, 2), x(3)],
      attrs: {
        strides: attrInts([3, 2]),
        dilations: attrInts([1, 3]),
        pads: attrInts([1, 0, 0, 2]),
        output_padding: attrInts([2, 1]),
      },
    },
  ],
  [
    'ConvTranspose, output padding as wide as a stride',
    {
      op: 'ConvTranspose',
      inputs: [x(1, 2, 5), x(2, 3, 3)],
      attrs: { dilations: attrInts([3]), strides: attrInts([2]), output_padding: attrInts([2]) },
    },
  ],
  [
    'ConvTranspose, channels in groups',
    {
      op: 'ConvTranspose',
      inputs: [x(2, 6, 5), x(6, 2, 3), x(4)],
      attrs: { group: attrInt(2), strides: attrInts([2]) },
    },
  ],
  ...(['SAME_UPPER', 'SAME_LOWER', 'VALID'] as const).map((auto): [string, Case] => [
    `ConvTranspose, ${auto}`,
    {
      op: 'ConvTranspose',
      inputs: [x(1, 2, 3, 2), x(2, 1, 3, 4)],
      attrs: { auto_pad: attrString(auto), strides: attrInts([2, 3]) },
    },
  ]),
  [
    'ConvTranspose, extents known at run time only',
    {
      op: 'ConvTranspose',
      inputs: [{ shape: [2, 4, 2, 3], declared: ['n', 4, 'h', 'w'] }, x(4, 1, 2, 3), x(2)],
      attrs: { group: attrInt(2), strides: attrInts([2, 1]) },
    },
  ],
  ['Conv', { op: 'Conv', inputs: [x(2, 3, 4, 5), x(2, 3, 3, 2), x(2)] }],
  ['Conv, one axis, no bias', { op: 'Conv', inputs: [x(2, 3, 9), x(4, 3, 3)] }],
  [
    'Conv, strides that leave places over, dilations, uneven pads',
    {
      op: 'Conv',
      inputs: [x(1, 2, 8, 9), x(3, 2, 3, 2), x(3)],
      attrs: { strides: attrInts([3, 2]), dilations: attrInts([1, 3]), pads: attrInts([1, 0, 0, 2]) },
    },
  ],
  [
    'Conv, channels in groups',
    {
      op: 'Conv',
      inputs: [x(2, 6, 5), x(4, 3, 3), x(4)],
      attrs: { group: attrInt(2), strides: attrInts([2]) },
    },
  ],
  [
    'Conv, a filter per channel, extents known at run time only',
    {
      op: 'Conv',
      inputs: [{ shape: [2, 3, 4, 3], declared: ['n', 3, 'h', 'w'] }, x(6, 1, 3, 2), x(6)],
      attrs: { group: attrInt(3), strides: attrInts([2, 1]), pads: attrInts([1, 0, 1, 1]) },
    },
  ],
  ...(['SAME_UPPER', 'SAME_LOWER', 'VALID'] as const).map((auto): [string, Case] => [
    `Conv, ${auto}`,
    {
      op: 'Conv',
      inputs: [x(1, 2, 6, 5), x(3, 2, 3, 2)],
      attrs: { auto_pad: attrString(auto), strides: attrInts([2, 1]) },
    },
  ]),
  [
    'Conv, extents known at run time only',
    {
      op: 'Conv',
      opset: 11,
      inputs: [{ shape: [2, 2, 8, 5], declared: ['n', 2, 'h', 'w'] }, x(3, 2, 3, 2), x(3)],
      attrs: { strides: attrInts([2, 1]) },
    },
  ],
  ...([9, 10, 11] as const).flatMap((opset): [string, Case][] => [
    [
      `Gather of one row, opset ${opset}`,
      { op: 'Gather', opset, inputs: [{ shape: [3, 5], declared: ['a', 5] }, ints(-2)] },
    ],
    [
      `Gather of one row in the middle, opset ${opset}`,
      { op: 'Gather', opset, inputs: [x(3, 5), ints(1)], attrs: { axis: attrInt(1) } },
    ],
    [`Gemm, opset ${opset}`, { op: 'Gemm', opset, inputs: [x(3, 5), x(5, 2), x(2)] }],
    [
      `MatMul, opset ${opset}`,
      { op: 'MatMul', opset, inputs: [{ shape: [2, 3, 5], declared: ['a', 'b', 5] }, x(5, 2)] },
    ],
  ]),
  ...([4, 8] as const).flatMap((bits) =>
    (['none', 'packed', 'floats'] as const).map((zeros): [string, Case] => {
      const [K, N, size] = [40, 7, 16];
      const blocks = Math.ceil(K / size);
      const bytes = (count: number, seed: number) =>
        Uint8Array.from({ length: count }, (_, i) => (seed * (i + 3) * 37 + i * i) % 256);
      const row = Math.ceil((blocks * bits) / 8);
      const zero = {
        none: [],
        packed: [new MemoryTensor('u8', [N * row], bytes(N * row, 5))],
        floats: [
          f64(
            [N * blocks],
            Array.from({ length: N * blocks }, (_, i) => 6.5 + Math.sin(i)),
          ),
        ],
      };
      const packed = new MemoryTensor(
        'u8',
        [N, blocks, (size * bits) / 8],
        bytes((N * blocks * size * bits) / 8, 11),
      );
      const scales = f64(
        [N * blocks],
        Array.from({ length: N * blocks }, (_, i) => 0.02 + 0.01 * Math.cos(i)),
      );
      const attrs = { K: attrInt(K), N: attrInt(N), bits: attrInt(bits), block_size: attrInt(size) };
      return [
        `MatMulNBits, ${bits} bits, zero points: ${zeros}`,
        { ...ms, op: 'MatMulNBits', inputs: [x(2, 3, K), packed, scales, ...zero[zeros]], attrs },
      ];
    }),
  ),
  // extents that fill no whole block and no whole byte
  ...[0, 1].map((type): [string, Case] => {
    const [N, K, size] = [5, 7, 16];
    const codes = Uint8Array.from({ length: Math.ceil((N * K) / 2) }, (_, i) => (i * 73 + 19) % 256);
    const scale = f64([3], [0.5, 1.25, 0.75]);
    const attrs = { K: attrInt(K), N: attrInt(N), block_size: attrInt(size), quant_type: attrInt(type) };
    const packed = new MemoryTensor('u8', [codes.length], codes);
    return [
      `MatMulBnb4, table ${type}`,
      { ...ms, op: 'MatMulBnb4', inputs: [x(2, 3, K), packed, scale], attrs },
    ];
  }),
  ['Einsum of one operand', { op: 'Einsum', inputs: [x(2, 3)], attrs: { equation: attrString('ij->ji') } }],
  ...(
    [
      ['LoTR', 'ir,rs,so->io', [x(2, 3, 7), x(7, 5), x(7, 2), x(2, 2), x(2, 5)], {}],
      ['LoTR, a row, bias', 'ir,rs,so->io', [x(7), x(7, 5), x(7, 2), x(2, 2), x(2, 5), x(5)], {}],
      [
        'LoRA over Gemm, W stored as (out, in)',
        'ir,ro->io',
        [x(3, 7), x(5, 7), x(7, 2), x(2, 5), x(5)],
        { base: attrString('Gemm'), transB: attrInt(1), alpha: attrFloat(0.5), beta: attrFloat(1.5) },
      ],
      [
        'four factors, a bias of one row and two axes',
        'ir,rs,st,to->io',
        [x(3, 7), x(7, 5), x(7, 2), x(2, 3), x(3, 2), x(2, 5), x(1, 5)],
        { base: attrString('Gemm'), beta: attrFloat(1.5) },
      ],
    ] as const
  ).map(([name, delta, inputs, attrs]): [string, Case] => [
    `LoTRLinear, ${name}`,
    {
      op: 'LoTRLinear',
      domain: 'lotrc',
      inputs,
      attrs: { delta: attrString(delta), scale: attrFloat(0.75), ...attrs },
    },
  ]),
];

describe('gradient rules against central differences', () => {
  test.each(CASES)('%s', (_name, given) => expect(gradcheck(given)).toBeLessThan(2e-7));
});
