import { abs } from './abs.js';
import { acos } from './acos.js';
import { acosh } from './acosh.js';
import { add } from './add.js';
import { and } from './and.js';
import { argMax } from './arg-max.js';
import { argMin } from './arg-min.js';
import { asin } from './asin.js';
import { asinh } from './asinh.js';
import { atan } from './atan.js';
import { atanh } from './atanh.js';
import { attention } from './attention.js';
import { averagePool } from './average-pool.js';
import { batchNormalization } from './batch-normalization.js';
import { bernoulli } from './bernoulli.js';
import { bitShift } from './bit-shift.js';
import { bitwiseAnd } from './bitwise-and.js';
import { bitwiseNot } from './bitwise-not.js';
import { bitwiseOr } from './bitwise-or.js';
import { bitwiseXor } from './bitwise-xor.js';
import { cast } from './cast.js';
import { castLike } from './cast-like.js';
import { castV1 } from './cast-v1.js';
import { ceil } from './ceil.js';
import { celu } from './celu.js';
import { clip } from './clip.js';
import { concat } from './concat.js';
import { constant } from './constant.js';
import { constantOfShape } from './constant-of-shape.js';
import { conv } from './conv.js';
import { convTranspose } from './conv-transpose.js';
import { cos } from './cos.js';
import { cosh } from './cosh.js';
import { cumSum } from './cum-sum.js';
import type { OpDef } from './define.js';
import { depthToSpace } from './depth-to-space.js';
import { dequantizeLinear } from './dequantize-linear.js';
import { det } from './det.js';
import { div } from './div.js';
import { dropout } from './dropout.js';
import { dynamicQuantizeLinear } from './dynamic-quantize-linear.js';
import { einsum } from './einsum.js';
import { elu } from './elu.js';
import { equal } from './equal.js';
import { erf } from './erf.js';
import { exp } from './exp.js';
import { expand } from './expand.js';
import { eyeLike } from './eye-like.js';
import { flatten } from './flatten.js';
import { floor } from './floor.js';
import { gather } from './gather.js';
import { gatherElements } from './gather-elements.js';
import { gatherNd } from './gather-nd.js';
import { gelu } from './gelu.js';
import { gemm } from './gemm.js';
import { globalAveragePool } from './global-average-pool.js';
import { globalMaxPool } from './global-max-pool.js';
import { greater } from './greater.js';
import { greaterOrEqual } from './greater-or-equal.js';
import { groupNormalization } from './group-normalization.js';
import { gru } from './gru.js';
import { hardSigmoid } from './hard-sigmoid.js';
import { hardSwish } from './hard-swish.js';
import { hardmax } from './hardmax.js';
import { identity } from './identity.js';
import { ifOp } from './if.js';
import { instanceNormalization } from './instance-normalization.js';
import { isInf } from './is-inf.js';
import { isNan } from './is-nan.js';
import { layerNormalization } from './layer-normalization.js';
import { leakyRelu } from './leaky-relu.js';
import { less } from './less.js';
import { lessOrEqual } from './less-or-equal.js';
import { log } from './log.js';
import { logSoftmax } from './log-softmax.js';
import { loop } from './loop.js';
import { lotrLinear } from './lotr-linear.js';
import { lotrLinearGrad } from './lotr-linear-grad.js';
import { lpNormalization } from './lp-normalization.js';
import { lstm } from './lstm.js';
import { matMul } from './mat-mul.js';
import { matMulInteger } from './mat-mul-integer.js';
import { max } from './max.js';
import { maxPool } from './max-pool.js';
import { mean } from './mean.js';
import { min } from './min.js';
import { mish } from './mish.js';
import { mod } from './mod.js';
import { msAttention } from './ms-attention.js';
import { msBiasGelu } from './ms-bias-gelu.js';
import { msDynamicQuantizeMatMul } from './ms-dynamic-quantize-mat-mul.js';
import { msEmbedLayerNormalization } from './ms-embed-layer-normalization.js';
import { msFastGelu } from './ms-fast-gelu.js';
import { msFusedGemm } from './ms-fused-gemm.js';
import { msFusedMatMul } from './ms-fused-mat-mul.js';
import { msGelu } from './ms-gelu.js';
import { msGroupQueryAttention } from './ms-group-query-attention.js';
import { msMatMulBnb4 } from './ms-mat-mul-bnb4.js';
import { msMatMulIntegerToFloat } from './ms-mat-mul-integer-to-float.js';
import { msMatMulNBits } from './ms-mat-mul-nbits.js';
import { msMultiHeadAttention } from './ms-multi-head-attention.js';
import { msQuickGelu } from './ms-quick-gelu.js';
import { msRotaryEmbedding } from './ms-rotary-embedding.js';
import { msSkipLayerNormalization } from './ms-skip-layer-normalization.js';
import { msSkipSimplifiedLayerNormalization } from './ms-skip-simplified-layer-normalization.js';
import { mul } from './mul.js';
import { neg } from './neg.js';
import { negativeLogLikelihoodLoss } from './negative-log-likelihood-loss.js';
import { nonZero } from './non-zero.js';
import { not } from './not.js';
import { oneHot } from './one-hot.js';
import { or } from './or.js';
import { pad } from './pad.js';
import { pow } from './pow.js';
import { prelu } from './prelu.js';
import { quantizeLinear } from './quantize-linear.js';
import { randomNormal } from './random-normal.js';
import { randomNormalLike } from './random-normal-like.js';
import { randomUniform } from './random-uniform.js';
import { randomUniformLike } from './random-uniform-like.js';
import { range } from './range.js';
import { reciprocal } from './reciprocal.js';
import { reduceL1 } from './reduce-l1.js';
import { reduceL2 } from './reduce-l2.js';
import { reduceLogSum } from './reduce-log-sum.js';
import { reduceLogSumExp } from './reduce-log-sum-exp.js';
import { reduceMax } from './reduce-max.js';
import { reduceMean } from './reduce-mean.js';
import { reduceMin } from './reduce-min.js';
import { reduceProd } from './reduce-prod.js';
import { reduceSum } from './reduce-sum.js';
import { reduceSumSquare } from './reduce-sum-square.js';
import { relu } from './relu.js';
import { reshape } from './reshape.js';
import { resize } from './resize.js';
import { rmsNormalization } from './rms-normalization.js';
import { rnn } from './rnn.js';
import { rotaryEmbedding } from './rotary-embedding.js';
import { round } from './round.js';
import { scan } from './scan.js';
import { scatterElements } from './scatter-elements.js';
import { scatterNd } from './scatter-nd.js';
import { selu } from './selu.js';
import { shape } from './shape.js';
import { sigmoid } from './sigmoid.js';
import { sign } from './sign.js';
import { simplifiedLayerNormalization } from './simplified-layer-normalization.js';
import { sin } from './sin.js';
import { sinh } from './sinh.js';
import { size } from './size.js';
import { slice } from './slice.js';
import { softmax } from './softmax.js';
import { softmaxCrossEntropyLoss } from './softmax-cross-entropy-loss.js';
import { softplus } from './softplus.js';
import { softsign } from './softsign.js';
import { spaceToDepth } from './space-to-depth.js';
import { split } from './split.js';
import { sqrt } from './sqrt.js';
import { squeeze } from './squeeze.js';
import { sub } from './sub.js';
import { sum } from './sum.js';
import { swish } from './swish.js';
import { tan } from './tan.js';
import { tanh } from './tanh.js';
import { thresholdedRelu } from './thresholded-relu.js';
import { tile } from './tile.js';
import { topK } from './top-k.js';
import { transpose } from './transpose.js';
import { trilu } from './trilu.js';
import { unsqueeze } from './unsqueeze.js';
import { where } from './where.js';
import { xor } from './xor.js';

/** Every operator with a shape rule. A list holds the definitions of one operator for ranges of versions. */
const DEFINITIONS: readonly (OpDef | readonly OpDef[])[] = [
  abs,
  acos,
  acosh,
  add,
  and,
  argMax,
  argMin,
  asin,
  asinh,
  atan,
  atanh,
  attention,
  averagePool,
  batchNormalization,
  bernoulli,
  bitShift,
  bitwiseAnd,
  bitwiseNot,
  bitwiseOr,
  bitwiseXor,
  castLike,
  castV1,
  cast,
  ceil,
  celu,
  clip,
  concat,
  constantOfShape,
  constant,
  conv,
  convTranspose,
  cos,
  cosh,
  cumSum,
  depthToSpace,
  det,
  dequantizeLinear,
  div,
  dropout,
  dynamicQuantizeLinear,
  einsum,
  elu,
  equal,
  erf,
  exp,
  expand,
  eyeLike,
  flatten,
  floor,
  gatherElements,
  gatherNd,
  gather,
  gelu,
  gemm,
  globalAveragePool,
  globalMaxPool,
  greaterOrEqual,
  greater,
  groupNormalization,
  gru,
  hardSigmoid,
  hardSwish,
  hardmax,
  identity,
  ifOp,
  instanceNormalization,
  isInf,
  isNan,
  layerNormalization,
  leakyRelu,
  lessOrEqual,
  less,
  logSoftmax,
  log,
  loop,
  lotrLinear,
  lotrLinearGrad,
  lpNormalization,
  lstm,
  matMulInteger,
  matMul,
  maxPool,
  max,
  mean,
  min,
  mish,
  mod,
  msAttention,
  msBiasGelu,
  msEmbedLayerNormalization,
  msFastGelu,
  msFusedGemm,
  msDynamicQuantizeMatMul,
  msMatMulBnb4,
  msMatMulIntegerToFloat,
  msFusedMatMul,
  msGelu,
  msGroupQueryAttention,
  msMatMulNBits,
  msMultiHeadAttention,
  msQuickGelu,
  msRotaryEmbedding,
  msSkipLayerNormalization,
  msSkipSimplifiedLayerNormalization,
  mul,
  neg,
  negativeLogLikelihoodLoss,
  nonZero,
  not,
  oneHot,
  or,
  pad,
  pow,
  prelu,
  quantizeLinear,
  randomNormalLike,
  randomNormal,
  randomUniformLike,
  randomUniform,
  range,
  reciprocal,
  reduceL1,
  reduceL2,
  reduceLogSumExp,
  reduceLogSum,
  reduceMax,
  reduceMean,
  reduceMin,
  reduceProd,
  reduceSumSquare,
  reduceSum,
  relu,
  reshape,
  resize,
  rmsNormalization,
  rnn,
  rotaryEmbedding,
  round,
  scan,
  scatterElements,
  scatterNd,
  selu,
  shape,
  sigmoid,
  sign,
  simplifiedLayerNormalization,
  sin,
  sinh,
  size,
  slice,
  softmax,
  softmaxCrossEntropyLoss,
  softplus,
  softsign,
  spaceToDepth,
  split,
  sqrt,
  squeeze,
  sub,
  sum,
  swish,
  tan,
  tanh,
  thresholdedRelu,
  tile,
  topK,
  transpose,
  trilu,
  unsqueeze,
  where,
  xor,
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
