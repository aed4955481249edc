import { expect, test } from 'vitest';
import { opDef } from '../../../src/ir/ops/index.js';
import { inferShapes } from '../../../src/passes/infer-shapes.js';
import { type Arg, buildCase, dtypeOfOrt, int, ints, type OpCase, tensor } from '../../support/op-case.js';
import { runOrt } from '../../support/ort.js';

/** The shape rule and the float64 reference of each operator against ONNX Runtime, one node at a time. */

const bool = (shape: readonly number[]): Arg =>
  tensor(
    'bool',
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Number(i % 3 !== 1)),
  );
const whole = (shape: readonly number[], from = -3): Arg =>
  tensor(
    'i64',
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 7) % 11) + from),
  );
const positive = (shape: readonly number[]): Arg =>
  tensor(
    'f32',
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => 0.3 + ((i * 5) % 7) / 3),
  );
const bytes = (dtype: 'u8' | 'i8', shape: readonly number[]): Arg =>
  tensor(
    dtype,
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i * 37) % 120),
  );
const classes = (shape: readonly number[], ...data: number[]): Arg => tensor('i64', shape, data);
const single = (value: number): Arg => tensor('f32', [], [value]);
const scales = (...data: number[]): Arg => ({ dtype: 'f32', shape: [data.length], data, constant: true });
const MS = { domain: 'com.microsoft' };

type Row = readonly [op: string, args: readonly Arg[], options?: OpCase & { readonly tolerance?: number }];

const UNARY = [
  'Abs',
  'Atan',
  'Asinh',
  'Ceil',
  'Cos',
  'Cosh',
  'Erf',
  'Exp',
  'Floor',
  'HardSwish',
  'Mish',
  'Neg',
  'Reciprocal',
];
const UNARY2 = [
  'Relu',
  'Round',
  'Sigmoid',
  'Sign',
  'Sin',
  'Sinh',
  'Softplus',
  'Softsign',
  'Tan',
  'Tanh',
  'Identity',
  'IsNaN',
];

const ROWS: readonly Row[] = [
  ...[...UNARY, ...UNARY2].map((op): Row => [op, [[2, 5]]]),
  ...['Log', 'Sqrt', 'Acosh'].map((op): Row => [op, [tensor('f32', [3], [1.5, 2.25, 7])]]),
  ...['Asin', 'Acos', 'Atanh'].map((op): Row => [op, [[2, 3]]]),
  ['Round', [tensor('f32', [5], [0.5, 1.5, -2.5, 2.4, -0.6])]],
  ['Celu', [[2, 3]], { attrs: { alpha: 1.7 } }],
  ['Elu', [[2, 3]], { attrs: { alpha: 0.7 } }],
  ['HardSigmoid', [[2, 3]], { attrs: { alpha: 0.4, beta: 0.3 } }],
  ['LeakyRelu', [[2, 3]], { attrs: { alpha: 0.2 } }],
  ['Selu', [[2, 3]]],
  ['ThresholdedRelu', [[2, 3]], { attrs: { alpha: 0.2 } }],
  ['Gelu', [[2, 3]]],
  ['Gelu', [[2, 3]], { attrs: { approximate: 'tanh' } }],
  [
    'IsInf',
    [tensor('f32', [3], [1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])],
    { attrs: { detect_negative: 0 } },
  ],
  ['Not', [bool([2, 3])]],
  ...['Add', 'Sub', 'Mul', 'Div'].map(
    (op): Row => [
      op,
      [
        [2, 1, 3],
        [5, 3],
      ],
    ],
  ),
  ['Add', [[2, 3, 3], [3]], { opset: 7 }],
  ['Div', [whole([4]), tensor('i64', [4], [2, -3, 4, 2])]],
  ['Pow', [positive([2, 3]), [3]]],
  ['Pow', [positive([2, 3]), tensor('i64', [1], [3])]],
  ['Mod', [whole([6]), tensor('i64', [6], [3, -3, 4, 5, -2, 7])]],
  ['Mod', [[6], positive([6])], { attrs: { fmod: 1 } }],
  [
    'PRelu',
    [
      [2, 3, 4],
      [3, 1],
    ],
  ],
  ...['And', 'Or', 'Xor'].map((op): Row => [op, [bool([2, 3]), tensor('bool', [3], [1, 0, 0])]]),
  ...['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'].map(
    (op): Row => [op, [whole([2, 4]), whole([4], -2)]],
  ),
  ...['BitwiseAnd', 'BitwiseOr', 'BitwiseXor'].map((op): Row => [op, [whole([5]), whole([5], 2)]]),
  ['BitShift', [bytes('u8', [4]), tensor('u8', [4], [1, 2, 0, 3])], { attrs: { direction: 'RIGHT' } }],
  ...['Max', 'Min', 'Sum', 'Mean'].map((op): Row => [op, [[2, 3], [3], [2, 1]]]),
  ...[
    'ReduceL1',
    'ReduceL2',
    'ReduceLogSumExp',
    'ReduceMax',
    'ReduceMean',
    'ReduceMin',
    'ReduceProd',
    'ReduceSum',
    'ReduceSumSquare',
  ].map((op): Row => [op, [[2, 3, 4], ints(-1, 0)], { attrs: { keepdims: 0 } }]),
  ['ReduceLogSum', [positive([2, 3]), ints(1)]],
  ['ReduceMean', [[2, 3, 4]], { opset: 17, attrs: { axes: [1] } }],
  ['ReduceSum', [[2, 3, 4]], { attrs: { noop_with_empty_axes: 1 } }],
  ['ReduceMax', [[2, 3, 4]]],
  ['ArgMax', [[2, 5]], { attrs: { axis: -1 } }],
  [
    'ArgMin',
    [tensor('f32', [2, 3], [1, 0, 0, 5, 4, 4])],
    { attrs: { axis: 1, keepdims: 0, select_last_index: 1 } },
  ],
  ...(['mean', 'sum', 'none'] as const).flatMap((reduction): Row[] => [
    ['SoftmaxCrossEntropyLoss', [[4, 5], classes([4], 0, 4, 2, 2)], { attrs: { reduction }, outputs: 2 }],
    [
      'SoftmaxCrossEntropyLoss',
      [[2, 5, 3], classes([2, 3], 0, 4, 2, 1, -1, 3), positive([5])],
      { attrs: { reduction, ignore_index: -1 }, outputs: 2 },
    ],
    ['NegativeLogLikelihoodLoss', [[4, 5], classes([4], 0, 4, 2, 2)], { attrs: { reduction } }],
    [
      'NegativeLogLikelihoodLoss',
      [[2, 5, 3], classes([2, 3], 0, 4, 2, 1, -1, 3), positive([5])],
      { attrs: { reduction, ignore_index: -1 } },
    ],
  ]),
  ['Softmax', [[2, 3, 4]], { attrs: { axis: 1 } }],
  ['Softmax', [[2, 3, 4]], { opset: 11 }],
  ['LogSoftmax', [[2, 3, 4]]],
  ['Hardmax', [[2, 3, 4]], { attrs: { axis: 1 } }],
  ['Cast', [tensor('f32', [3], [1.7, -2.7, 0])], { attrs: { to: 7 } }],
  ['Cast', [tensor('f32', [3], [1.7, -2.7, 0])], { attrs: { to: 9 } }],
  ['CastLike', [[2], whole([1])]],
  ['ConstantOfShape', [ints(2, 3)]],
  ['Shape', [[2, 3, 4]], { attrs: { start: -2 } }],
  ['Shape', [[2, 3, 4]], { attrs: { start: 1, end: -1 } }],
  ['Size', [[2, 3, 4]]],
  ['Reshape', [[2, 3, 4], ints(0, -1, 2)]],
  ['Flatten', [[2, 3, 4]], { attrs: { axis: -1 } }],
  ['Transpose', [[2, 3, 4]], { attrs: { perm: [2, 0, 1] } }],
  ['Transpose', [[2, 3, 4]]],
  ['Squeeze', [[1, 3, 1], ints(-1)]],
  ['Squeeze', [[1, 3, 1]]],
  ['Unsqueeze', [[3, 2], ints(-1, 0)]],
  ['Unsqueeze', [[3, 2]], { opset: 11, attrs: { axes: [1, 3] } }],
  ['Expand', [[3, 1], ints(2, 1, 4)]],
  [
    'Concat',
    [
      [2, 3],
      [2, 1],
      [2, 2],
    ],
    { attrs: { axis: -1 } },
  ],
  ['Gather', [[3, 4], tensor('i64', [2, 2], [0, -1, 2, 3])], { attrs: { axis: 1 } }],
  ['GatherElements', [[2, 4], tensor('i64', [2, 3], [0, -1, 2, 3, 1, 1])], { attrs: { axis: 1 } }],
  ['GatherND', [[2, 3, 4], tensor('i64', [2, 2], [0, 1, 1, -1])]],
  ['GatherND', [[2, 3, 4], tensor('i64', [2, 1], [2, -2])], { attrs: { batch_dims: 1 } }],
  ['ScatterElements', [[3, 3], tensor('i64', [2, 3], [1, 0, 2, 0, 2, 1]), [2, 3]]],
  [
    'ScatterElements',
    [[3, 3], tensor('i64', [2, 2], [1, -1, 1, 1]), [2, 2]],
    { attrs: { axis: 1, reduction: 'add' } },
  ],
  ['ScatterND', [[4, 3], tensor('i64', [2, 1], [1, 3]), [2, 3]], { attrs: { reduction: 'mul' } }],
  ['Slice', [[5, 6], ints(-1, 1), ints(-9, 100), ints(0, -1), ints(-2, 3)]],
  ['Slice', [[5, 6], ints(1), ints(-1)]],
  ['Slice', [[5, 6]], { opset: 9, attrs: { starts: [1, -3], ends: [9, -1] } }],
  ['Split', [[2, 7], ints(2, 5)], { attrs: { axis: 1 }, outputs: 2 }],
  ['Split', [[2, 7]], { attrs: { axis: 1, num_outputs: 3 }, outputs: 3 }],
  ['Split', [[6, 2]], { opset: 11, attrs: { split: [1, 2, 3] }, outputs: 3 }],
  ['Where', [bool([2, 1, 3]), [4, 1], [3]]],
  ['Range', [int(3), int(-4), int(-2)]],
  ['Tile', [[2, 3], ints(2, 1)]],
  ['CumSum', [[2, 5], int(-1)], { attrs: { exclusive: 1, reverse: 1 } }],
  ['CumSum', [[3, 2], int(0)]],
  ['Clip', [[2, 5], single(-0.2), null]],
  ['Clip', [[2, 5], null, single(0.1)]],
  ['Clip', [[2, 5]], { opset: 10, attrs: { min: -0.25, max: 0.25 } }],
  ['Dropout', [[2, 5]], { outputs: 2 }],
  ['Pad', [[2, 4], ints(0, 2, 1, 3), single(0.5)]],
  ['Pad', [[2, 4], ints(0, 2, 0, 3)], { attrs: { mode: 'reflect' } }],
  ['Pad', [[2, 4], ints(1, 2, 0, -1)], { attrs: { mode: 'edge' } }],
  ['Pad', [[2, 4], ints(1, 2), null, ints(-1)]],
  ['Pad', [[2, 4]], { opset: 10, attrs: { pads: [1, 0, 0, 2], value: 0.75 } }],
  ['Trilu', [[2, 4, 5], int(-1)]],
  ['Trilu', [[4, 3], int(1)], { attrs: { upper: 0 } }],
  [
    'OneHot',
    [tensor('i64', [2, 2], [0, -1, 2, 5]), int(4), tensor('f32', [2], [0.25, 3])],
    { attrs: { axis: 1 } },
  ],
  ['TopK', [[2, 6], ints(3)], { outputs: 2 }],
  ['TopK', [[5, 2], ints(2)], { outputs: 2, attrs: { axis: 0, largest: 0 } }],
  ['EyeLike', [[3, 4]], { attrs: { k: 1 } }],
  ['DepthToSpace', [[1, 8, 2, 3]], { attrs: { blocksize: 2 } }],
  ['DepthToSpace', [[1, 8, 2, 3]], { attrs: { blocksize: 2, mode: 'CRD' } }],
  ['SpaceToDepth', [[1, 2, 4, 6]], { attrs: { blocksize: 2 } }],
  [
    'Einsum',
    [
      [2, 3, 4],
      [2, 4, 5],
    ],
    { attrs: { equation: 'bij,bjk->bik' } },
  ],
  [
    'Einsum',
    [
      [3, 4],
      [3, 4],
    ],
    { attrs: { equation: 'ij,ij' } },
  ],
  ['LpNormalization', [[2, 5]], { attrs: { axis: -1, p: 2 } }],
  [
    'MatMul',
    [
      [2, 1, 3, 4],
      [5, 4, 2],
    ],
  ],
  ['MatMul', [[4], [4, 3]]],
  ['MatMul', [[3, 4], [4]]],
  ['Gemm', [[3, 4], [5, 4], [5]], { attrs: { alpha: 0.5, beta: 1.5, transB: 1 } }],
  [
    'Gemm',
    [
      [4, 3],
      [4, 5],
    ],
    { attrs: { transA: 1 } },
  ],
  [
    'MatMulInteger',
    [bytes('u8', [2, 3]), bytes('i8', [3, 4]), tensor('u8', [], [9]), tensor('i8', [4], [1, 2, 3, 4])],
  ],
  ['ConvTranspose', [[2, 3, 4, 5], [3, 2, 3, 2], [2]]],
  [
    'ConvTranspose',
    [
      [1, 4, 5],
      [4, 3, 3],
    ],
    { attrs: { group: 2, strides: [3], output_padding: [2] } },
  ],
  [
    'ConvTranspose',
    [
      [1, 2, 4, 5],
      [2, 3, 2, 3],
    ],
    { attrs: { strides: [2, 1], dilations: [1, 2], pads: [1, 0, 0, 2] } },
  ],
  [
    'ConvTranspose',
    [
      [1, 2, 4],
      [2, 3, 3],
    ],
    { attrs: { strides: [2], output_shape: [10] } },
  ],
  [
    'ConvTranspose',
    [
      [1, 2, 4],
      [2, 3, 3],
    ],
    { attrs: { strides: [2], auto_pad: 'SAME_UPPER' } },
  ],
  [
    'Conv',
    [[2, 4, 7, 6], [6, 2, 3, 2], [6]],
    { attrs: { group: 2, strides: [2, 1], pads: [1, 0, 2, 1], dilations: [1, 2] } },
  ],
  [
    'Conv',
    [
      [1, 3, 5],
      [2, 3, 2],
    ],
    { attrs: { auto_pad: 'SAME_UPPER', strides: [2] } },
  ],
  ['AveragePool', [[1, 2, 5, 6]], { attrs: { kernel_shape: [2, 3], strides: [2, 2], pads: [0, 1, 1, 1] } }],
  ['AveragePool', [[1, 2, 6]], { attrs: { kernel_shape: [3], strides: [2], ceil_mode: 1 } }],
  ...[17, 22].flatMap((opset): Row[] =>
    [0, 1].map((count_include_pad) => [
      'AveragePool',
      [[1, 2, 8, 6]],
      {
        opset,
        attrs: { kernel_shape: [4, 3], strides: [3, 2], pads: [1, 1, 0, 1], ceil_mode: 1, count_include_pad },
      },
    ]),
  ),
  [
    'AveragePool',
    [[1, 2, 4, 5, 3]],
    { opset: 22, attrs: { kernel_shape: [2, 3, 1], dilations: [2, 1, 1], strides: [1, 2, 2], ceil_mode: 1 } },
  ],
  [
    'MaxPool',
    [[2, 3, 7, 5]],
    { outputs: 2, attrs: { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 0, 1], ceil_mode: 1 } },
  ],
  [
    'MaxPool',
    [tensor('f32', [1, 2, 3, 4], new Array(24).fill(1))],
    { outputs: 2, attrs: { kernel_shape: [2, 2], dilations: [1, 2], pads: [1, 1, 0, 0] } },
  ],
  ...(
    [
      ['nearest', 'half_pixel', 'round_prefer_floor'],
      ['nearest', 'half_pixel', 'ceil'],
      ['nearest', 'asymmetric', 'floor'],
      ['nearest', 'align_corners', 'round_prefer_ceil'],
      ['nearest', 'pytorch_half_pixel', 'round_prefer_ceil'],
      ['linear', 'half_pixel', 'floor'],
      ['linear', 'half_pixel_symmetric', 'floor'],
      ['linear', 'align_corners', 'floor'],
      ['linear', 'asymmetric', 'floor'],
      ['cubic', 'half_pixel', 'floor'],
      ['cubic', 'pytorch_half_pixel', 'floor'],
    ] as const
  ).flatMap(([mode, at, nearest_mode]): Row[] => {
    const attrs = { mode, coordinate_transformation_mode: at, nearest_mode };
    return [
      ['Resize', [[1, 2, 3, 4], null, scales(1, 1, 2, 0.75)], { attrs }],
      ['Resize', [[1, 2, 5, 3], null, null, ints(1, 2, 4, 7)], { attrs }],
    ];
  }),
  [
    'Resize',
    [[1, 1, 4, 3], null, scales(1, 1, 1.75, 2)],
    { attrs: { mode: 'cubic', exclude_outside: 1, cubic_coeff_a: -0.5 } },
  ],
  ['Resize', [[2, 3, 4, 3], scales(1, 1, 2, 3)], { opset: 10 }],
  ['Resize', [[2, 3, 4, 3], null, null, ints(5, 2)], { attrs: { axes: [3, -2], mode: 'linear' } }],
  ['Det', [[2, 3, 4, 4]]],
  ['Det', [tensor('f32', [2, 2], [0, 2, 3, 0])]],
  ['MaxPool', [[1, 2, 5, 6]], { attrs: { kernel_shape: [2, 3], pads: [1, 0, 0, 2] } }],
  ['GlobalAveragePool', [[2, 3, 4, 5]]],
  ['GlobalMaxPool', [[2, 3, 4, 5]]],
  [
    'LayerNormalization',
    [
      [2, 3, 4],
      [3, 4],
      [3, 4],
    ],
    { attrs: { axis: 1, epsilon: 0.01 }, outputs: 3 },
  ],
  ['RMSNormalization', [[2, 3, 4], [4]], { opset: 23, attrs: { epsilon: 0.01 } }],
  ['BatchNormalization', [[2, 3, 4], [3], [3], [3], positive([3])]],
  ['InstanceNormalization', [[2, 3, 4, 2], [3], [3]]],
  ['GroupNormalization', [[2, 4, 3], [4], [4]], { attrs: { num_groups: 2 } }],
  ['DequantizeLinear', [bytes('u8', [2, 3]), positive([3]), bytes('u8', [3])], { attrs: { axis: 1 } }],
  ['DequantizeLinear', [bytes('i8', [4, 3]), positive([2, 3])], { attrs: { axis: 0, block_size: 2 } }],
  ['QuantizeLinear', [[2, 3], single(0.01), tensor('i8', [], [5])]],
  ['DynamicQuantizeLinear', [[2, 6]], { outputs: 3 }],
  [
    'Attention',
    [
      [2, 4, 3, 6],
      [2, 2, 5, 6],
      [2, 2, 5, 7],
    ],
    { opset: 23, attrs: { softcap: 2.5 } },
  ],
  [
    'Attention',
    [[2, 3, 24], [2, 3, 12], [2, 3, 12], bool([3, 3])],
    { opset: 23, attrs: { q_num_heads: 4, kv_num_heads: 2, scale: 0.3 } },
  ],
  [
    'Attention',
    [[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], null, [1, 2, 2, 4], [1, 2, 2, 4]],
    { opset: 23, outputs: 3 },
  ],
  [
    'Attention',
    [
      [1, 2, 5, 4],
      [1, 2, 5, 4],
      [1, 2, 5, 4],
    ],
    { opset: 23, attrs: { is_causal: 1 } },
  ],
  [
    'RotaryEmbedding',
    [[2, 3, 5, 8], [7, 4], [7, 4], tensor('i64', [2, 5], [0, 1, 2, 3, 4, 2, 3, 4, 5, 6])],
    { opset: 23 },
  ],
  [
    'RotaryEmbedding',
    [
      [2, 5, 12],
      [2, 5, 2],
      [2, 5, 2],
    ],
    { opset: 23, attrs: { num_heads: 2, rotary_embedding_dim: 4, interleaved: 1 } },
  ],
  ['NonZero', [tensor('f32', [2, 3], [0, 1, 2, 0, 0, 3])]],
  ['SimplifiedLayerNormalization', [[2, 3, 4], [4]], { attrs: { epsilon: 0.01 } }],
  [
    'FusedMatMul',
    [
      [2, 4, 3],
      [2, 5, 4],
    ],
    { ...MS, attrs: { alpha: 0.5, transA: 1, transB: 1 } },
  ],
  ['FusedMatMul', [[4], [5, 4]], { ...MS, attrs: { transB: 1 } }],
  [
    'FusedMatMul',
    [
      [2, 1, 4, 3],
      [1, 3, 4, 2],
    ],
    { ...MS, attrs: { transA: 1 } },
  ],
  ['FusedGemm', [[3, 4], [4, 2], [2]], { ...MS, attrs: { activation: 'Relu', beta: 0.5 } }],
  ...(['Elu', 'HardSigmoid', 'LeakyRelu', 'Sigmoid', 'Softplus', 'Softsign', 'Tanh'] as const).map(
    (activation): Row => [
      'FusedGemm',
      [[3, 4], [2, 4], [2]],
      { ...MS, attrs: { activation, activation_alpha: 0.3, activation_beta: 0.45, transB: 1, alpha: 1.5 } },
    ],
  ),
  ['Gelu', [[2, 3]], MS],
  ['QuickGelu', [[2, 3]], MS],
  ['FastGelu', [[2, 3], [3]], { ...MS, tolerance: 1e-4 }],
  ['BiasGelu', [[2, 3], [3]], MS],
  ['SkipLayerNormalization', [[2, 3, 4], [2, 3, 4], [4], [4], [4]], { ...MS, attrs: { epsilon: 0.01 } }],
  ['SkipSimplifiedLayerNormalization', [[2, 3, 4], [2, 3, 4], [4], [4]], { ...MS, attrs: { epsilon: 0.01 } }],
  [
    'EmbedLayerNormalization',
    [
      tensor('i32', [2, 3], [0, 1, 4, 3, 2, 1]),
      tensor('i32', [2, 3], [0, 1, 1, 0, 0, 1]),
      [5, 8],
      [6, 8],
      [2, 8],
      [8],
      [8],
    ],
    { ...MS, outputs: 2 },
  ],
  [
    'EmbedLayerNormalization',
    [
      tensor('i32', [2, 3], [0, 1, 4, 3, 2, 1]),
      null,
      [5, 8],
      [6, 8],
      null,
      [8],
      [8],
      tensor('i32', [2, 3], [1, 1, 0, 1, 0, 0]),
      tensor('i32', [1, 3], [5, 0, 3]),
    ],
    { ...MS, attrs: { epsilon: 0.01 }, outputs: 3 },
  ],
  ['Attention', [[2, 3, 8], [8, 24], [24], tensor('i32', [2], [3, 2])], { ...MS, attrs: { num_heads: 2 } }],
  [
    'Attention',
    [[2, 3, 8], [8, 24], [24], null, [2, 2, 2, 5, 4]],
    { ...MS, attrs: { num_heads: 2, unidirectional: 1 }, outputs: 2 },
  ],
  ['MultiHeadAttention', [[2, 3, 8], [2, 5, 8], [2, 5, 8], [24]], { ...MS, attrs: { num_heads: 2 } }],
  [
    'MultiHeadAttention',
    [
      [1, 3, 8],
      [1, 3, 8],
      [1, 3, 8],
    ],
    { ...MS, attrs: { num_heads: 2, unidirectional: 1 } },
  ],
  [
    'GroupQueryAttention',
    [
      [1, 3, 64],
      [1, 3, 32],
      [1, 3, 32],
      [1, 2, 0, 16],
      [1, 2, 0, 16],
      tensor('i32', [1], [2]),
      { dtype: 'i32', shape: [1], data: [3], constant: true },
      [6, 8],
      [6, 8],
    ],
    { ...MS, attrs: { num_heads: 4, kv_num_heads: 2, do_rotary: 1 }, outputs: 3 },
  ],
  [
    'RotaryEmbedding',
    [[2, 3, 16], tensor('i64', [2, 3], [0, 1, 2, 3, 4, 5]), [7, 4], [7, 4]],
    { ...MS, attrs: { interleaved: 1 } },
  ],
  [
    'RotaryEmbedding',
    [[1, 2, 3, 8], tensor('i64', [1], [2]), [7, 4], [7, 4]],
    { ...MS, attrs: { scale: 0.5 } },
  ],
  [
    'RotaryEmbedding',
    [[2, 3, 12], tensor('i64', [2, 3], [0, 1, 2, 3, 4, 5]), [7, 2], [7, 2]],
    { ...MS, attrs: { num_heads: 2, rotary_embedding_dim: 4 } },
  ],
  [
    'MatMulNBits',
    [[3, 20], bytes('u8', [5, 2, 8]), positive([10])],
    { ...MS, attrs: { K: 20, N: 5, bits: 4, block_size: 16 }, tolerance: 1e-4 },
  ],
  [
    'MatMulNBits',
    [[3, 32], bytes('u8', [5, 2, 8]), positive([10]), bytes('u8', [5])],
    { ...MS, attrs: { K: 32, N: 5, bits: 4, block_size: 16 }, tolerance: 1e-4 },
  ],
];

const seen = new Map<string, number>();
const named = ROWS.map(([op, args, options = {}]) => {
  const key = options.domain ? `${options.domain}::${op}` : op;
  seen.set(key, (seen.get(key) ?? 0) + 1);
  return [`${key} ${seen.get(key)}`, op, args, options] as const;
});

test.each(named)('%s', async (_, op, args, options) => {
  const built = buildCase(op, args, options);
  expect(inferShapes(built.model)).toEqual([]);
  const node = built.model.graph.nodes.first!;
  const def = opDef(node.domain, node.op, options.opset ?? 21)!;
  const results = def.value!(node, built.inputs);
  const theirs = await runOrt(built.bytes, built.feeds, { level: 'disabled' });
  for (const [k, output] of node.outputs.entries()) {
    const expected = theirs[output.name]!;
    const type = output.type;
    if (type?.kind !== 'tensor') throw new Error(`no type for ${output.name}`);
    expect(type.dtype).toBe(dtypeOfOrt(expected.dtype));
    // what depends on the data is unknown; everything else must be known
    const dims = op === 'NonZero' ? [type.shape![0], expected.shape[1]] : type.shape;
    expect(dims).toEqual(expected.shape);
    expect(results[k]!.shape).toEqual(expected.shape);
    for (const [i, value] of results[k]!.data.entries()) {
      const theirsAt = Number(expected.data[i]);
      const bound = (options.tolerance ?? 1e-5) * Math.max(1, Math.abs(value));
      expect(
        Math.abs(value - theirsAt) <= bound || Object.is(value, theirsAt),
        `[${k}][${i}]: ${value}, ORT ${theirsAt}`,
      ).toBe(true);
    }
  }
});
