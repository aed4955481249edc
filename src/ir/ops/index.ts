import { Abs } from './abs.js';
import { Acos } from './acos.js';
import { Acosh } from './acosh.js';
import { Add } from './add.js';
import { And } from './and.js';
import { ArgMax } from './arg-max.js';
import { ArgMin } from './arg-min.js';
import { Asin } from './asin.js';
import { Asinh } from './asinh.js';
import { Atan } from './atan.js';
import { Atanh } from './atanh.js';
import { Attention } from './attention.js';
import { AveragePool } from './average-pool.js';
import { BatchNormalization } from './batch-normalization.js';
import { Bernoulli } from './bernoulli.js';
import { BitShift } from './bit-shift.js';
import { BitwiseAnd } from './bitwise-and.js';
import { BitwiseNot } from './bitwise-not.js';
import { BitwiseOr } from './bitwise-or.js';
import { BitwiseXor } from './bitwise-xor.js';
import { Cast } from './cast.js';
import { CastLike } from './cast-like.js';
import { CastV1 } from './cast-v1.js';
import { Ceil } from './ceil.js';
import { Celu } from './celu.js';
import { Clip } from './clip.js';
import { Concat } from './concat.js';
import { Constant } from './constant.js';
import { ConstantOfShape } from './constant-of-shape.js';
import { Conv } from './conv.js';
import { ConvTranspose } from './conv-transpose.js';
import { Cos } from './cos.js';
import { Cosh } from './cosh.js';
import { CumSum } from './cum-sum.js';
import type { OpDef } from './define.js';
import { DepthToSpace } from './depth-to-space.js';
import { DequantizeLinear } from './dequantize-linear.js';
import { Det } from './det.js';
import { Div } from './div.js';
import { Dropout } from './dropout.js';
import { DynamicQuantizeLinear } from './dynamic-quantize-linear.js';
import { Einsum } from './einsum.js';
import { Elu } from './elu.js';
import { Equal } from './equal.js';
import { Erf } from './erf.js';
import { Exp } from './exp.js';
import { Expand } from './expand.js';
import { EyeLike } from './eye-like.js';
import { Flatten } from './flatten.js';
import { Floor } from './floor.js';
import { Gather } from './gather.js';
import { GatherElements } from './gather-elements.js';
import { GatherND } from './gather-nd.js';
import { Gelu } from './gelu.js';
import { Gemm } from './gemm.js';
import { GlobalAveragePool } from './global-average-pool.js';
import { GlobalMaxPool } from './global-max-pool.js';
import { Greater } from './greater.js';
import { GreaterOrEqual } from './greater-or-equal.js';
import { GroupNormalization } from './group-normalization.js';
import { GRU } from './gru.js';
import { HardSigmoid } from './hard-sigmoid.js';
import { HardSwish } from './hard-swish.js';
import { Hardmax } from './hardmax.js';
import { Identity } from './identity.js';
import { If } from './if.js';
import { InstanceNormalization } from './instance-normalization.js';
import { IsInf } from './is-inf.js';
import { IsNaN } from './is-nan.js';
import { LayerNormalization } from './layer-normalization.js';
import { LeakyRelu } from './leaky-relu.js';
import { Less } from './less.js';
import { LessOrEqual } from './less-or-equal.js';
import { Log } from './log.js';
import { LogSoftmax } from './log-softmax.js';
import { Loop } from './loop.js';
import { lotrLinear } from './lotr-linear.js';
import { lotrLinearGrad } from './lotr-linear-grad.js';
import { LpNormalization } from './lp-normalization.js';
import { LSTM } from './lstm.js';
import { MatMul } from './mat-mul.js';
import { MatMulInteger } from './mat-mul-integer.js';
import { Max } from './max.js';
import { MaxPool } from './max-pool.js';
import { Mean } from './mean.js';
import { Min } from './min.js';
import { Mish } from './mish.js';
import { Mod } from './mod.js';
import { MsAttention } from './ms-attention.js';
import { MsBiasGelu } from './ms-bias-gelu.js';
import { MsDynamicQuantizeMatMul } from './ms-dynamic-quantize-mat-mul.js';
import { MsEmbedLayerNormalization } from './ms-embed-layer-normalization.js';
import { MsFastGelu } from './ms-fast-gelu.js';
import { MsFusedGemm } from './ms-fused-gemm.js';
import { MsFusedMatMul } from './ms-fused-mat-mul.js';
import { MsGelu } from './ms-gelu.js';
import { MsGroupQueryAttention } from './ms-group-query-attention.js';
import { MsMatMulBnb4 } from './ms-mat-mul-bnb4.js';
import { MsMatMulIntegerToFloat } from './ms-mat-mul-integer-to-float.js';
import { MsMatMulNBits } from './ms-mat-mul-nbits.js';
import { MsMultiHeadAttention } from './ms-multi-head-attention.js';
import { MsQuickGelu } from './ms-quick-gelu.js';
import { MsRotaryEmbedding } from './ms-rotary-embedding.js';
import { MsSkipLayerNormalization } from './ms-skip-layer-normalization.js';
import { MsSkipSimplifiedLayerNormalization } from './ms-skip-simplified-layer-normalization.js';
import { Mul } from './mul.js';
import { Neg } from './neg.js';
import { NegativeLogLikelihoodLoss } from './negative-log-likelihood-loss.js';
import { NonZero } from './non-zero.js';
import { Not } from './not.js';
import { OneHot } from './one-hot.js';
import { Or } from './or.js';
import { Pad } from './pad.js';
import { Pow } from './pow.js';
import { PRelu } from './prelu.js';
import { QuantizeLinear } from './quantize-linear.js';
import { RandomNormal } from './random-normal.js';
import { RandomNormalLike } from './random-normal-like.js';
import { RandomUniform } from './random-uniform.js';
import { RandomUniformLike } from './random-uniform-like.js';
import { Range } from './range.js';
import { Reciprocal } from './reciprocal.js';
import { ReduceL1 } from './reduce-l1.js';
import { ReduceL2 } from './reduce-l2.js';
import { ReduceLogSum } from './reduce-log-sum.js';
import { ReduceLogSumExp } from './reduce-log-sum-exp.js';
import { ReduceMax } from './reduce-max.js';
import { ReduceMean } from './reduce-mean.js';
import { ReduceMin } from './reduce-min.js';
import { ReduceProd } from './reduce-prod.js';
import { ReduceSum } from './reduce-sum.js';
import { ReduceSumSquare } from './reduce-sum-square.js';
import { Relu } from './relu.js';
import { Reshape } from './reshape.js';
import { Resize } from './resize.js';
import { RMSNormalization } from './rms-normalization.js';
import { RNN } from './rnn.js';
import { RotaryEmbedding } from './rotary-embedding.js';
import { Round } from './round.js';
import { Scan } from './scan.js';
import { ScatterElements } from './scatter-elements.js';
import { ScatterND } from './scatter-nd.js';
import { Selu } from './selu.js';
import { ShapeOp } from './shape.js';
import { Sigmoid } from './sigmoid.js';
import { Sign } from './sign.js';
import { SimplifiedLayerNormalization } from './simplified-layer-normalization.js';
import { Sin } from './sin.js';
import { Sinh } from './sinh.js';
import { Size } from './size.js';
import { Slice } from './slice.js';
import { Softmax } from './softmax.js';
import { SoftmaxCrossEntropyLoss } from './softmax-cross-entropy-loss.js';
import { Softplus } from './softplus.js';
import { Softsign } from './softsign.js';
import { SpaceToDepth } from './space-to-depth.js';
import { Split } from './split.js';
import { Sqrt } from './sqrt.js';
import { Squeeze } from './squeeze.js';
import { Sub } from './sub.js';
import { Sum } from './sum.js';
import { Swish } from './swish.js';
import { Tan } from './tan.js';
import { Tanh } from './tanh.js';
import { ThresholdedRelu } from './thresholded-relu.js';
import { Tile } from './tile.js';
import { TopK } from './top-k.js';
import { Transpose } from './transpose.js';
import { Trilu } from './trilu.js';
import { Unsqueeze } from './unsqueeze.js';
import { Where } from './where.js';
import { Xor } from './xor.js';

/** Every operator with a shape rule. A list holds the definitions of one operator for ranges of versions. */
const DEFINITIONS: readonly (OpDef | readonly OpDef[])[] = [
  Abs,
  Acos,
  Acosh,
  Add,
  And,
  ArgMax,
  ArgMin,
  Asin,
  Asinh,
  Atan,
  Atanh,
  Attention,
  AveragePool,
  BatchNormalization,
  Bernoulli,
  BitShift,
  BitwiseAnd,
  BitwiseNot,
  BitwiseOr,
  BitwiseXor,
  CastLike,
  CastV1,
  Cast,
  Ceil,
  Celu,
  Clip,
  Concat,
  ConstantOfShape,
  Constant,
  Conv,
  ConvTranspose,
  Cos,
  Cosh,
  CumSum,
  DepthToSpace,
  Det,
  DequantizeLinear,
  Div,
  Dropout,
  DynamicQuantizeLinear,
  Einsum,
  Elu,
  Equal,
  Erf,
  Exp,
  Expand,
  EyeLike,
  Flatten,
  Floor,
  GatherElements,
  GatherND,
  Gather,
  Gelu,
  Gemm,
  GlobalAveragePool,
  GlobalMaxPool,
  GreaterOrEqual,
  Greater,
  GroupNormalization,
  GRU,
  HardSigmoid,
  HardSwish,
  Hardmax,
  Identity,
  If,
  InstanceNormalization,
  IsInf,
  IsNaN,
  LayerNormalization,
  LeakyRelu,
  LessOrEqual,
  Less,
  LogSoftmax,
  Log,
  Loop,
  lotrLinear,
  lotrLinearGrad,
  LpNormalization,
  LSTM,
  MatMulInteger,
  MatMul,
  MaxPool,
  Max,
  Mean,
  Min,
  Mish,
  Mod,
  MsAttention,
  MsBiasGelu,
  MsEmbedLayerNormalization,
  MsFastGelu,
  MsFusedGemm,
  MsDynamicQuantizeMatMul,
  MsMatMulBnb4,
  MsMatMulIntegerToFloat,
  MsFusedMatMul,
  MsGelu,
  MsGroupQueryAttention,
  MsMatMulNBits,
  MsMultiHeadAttention,
  MsQuickGelu,
  MsRotaryEmbedding,
  MsSkipLayerNormalization,
  MsSkipSimplifiedLayerNormalization,
  Mul,
  Neg,
  NegativeLogLikelihoodLoss,
  NonZero,
  Not,
  OneHot,
  Or,
  Pad,
  Pow,
  PRelu,
  QuantizeLinear,
  RandomNormalLike,
  RandomNormal,
  RandomUniformLike,
  RandomUniform,
  Range,
  Reciprocal,
  ReduceL1,
  ReduceL2,
  ReduceLogSumExp,
  ReduceLogSum,
  ReduceMax,
  ReduceMean,
  ReduceMin,
  ReduceProd,
  ReduceSumSquare,
  ReduceSum,
  Relu,
  Reshape,
  Resize,
  RMSNormalization,
  RNN,
  RotaryEmbedding,
  Round,
  Scan,
  ScatterElements,
  ScatterND,
  Selu,
  ShapeOp,
  Sigmoid,
  Sign,
  SimplifiedLayerNormalization,
  Sin,
  Sinh,
  Size,
  Slice,
  Softmax,
  SoftmaxCrossEntropyLoss,
  Softplus,
  Softsign,
  SpaceToDepth,
  Split,
  Sqrt,
  Squeeze,
  Sub,
  Sum,
  Swish,
  Tan,
  Tanh,
  ThresholdedRelu,
  Tile,
  TopK,
  Transpose,
  Trilu,
  Unsqueeze,
  Where,
  Xor,
];

const TABLE = new Map<string, OpDef[]>();
for (const def of DEFINITIONS.flat()) {
  const rows = TABLE.get(keyOf(def.domain ?? '', def.name)) ?? [];
  rows.push(def);
  TABLE.set(keyOf(def.domain ?? '', def.name), rows);
}

/** Names in the schema table carry their domain already. */
function keyOf(domain: string, name: string): string {
  return domain === '' || name.startsWith(`${domain}::`) ? name : `${domain}::${name}`;
}

/** The definition of an operator in a version of its operator set; undefined when there is none. */
export function opDef(domain: string, op: string, opset: number): OpDef | undefined {
  const rows = TABLE.get(keyOf(domain === 'ai.onnx' ? '' : domain, op));
  return rows?.find((def) => def.since <= opset && opset <= (def.until ?? Number.POSITIVE_INFINITY));
}

/** All definitions, for tests and listings. */
export function allOpDefs(): readonly OpDef[] {
  return DEFINITIONS.flat();
}
