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
import { concat } from './concat.js';
import { constant } from './constant.js';
import { constantOfShape } from './constant-of-shape.js';
import { cos } from './cos.js';
import { cosh } from './cosh.js';
import type { OpDef } from './define.js';
import { div } from './div.js';
import { elu } from './elu.js';
import { equal } from './equal.js';
import { erf } from './erf.js';
import { exp } from './exp.js';
import { expand } from './expand.js';
import { flatten } from './flatten.js';
import { floor } from './floor.js';
import { gelu } from './gelu.js';
import { greater } from './greater.js';
import { greaterOrEqual } from './greater-or-equal.js';
import { hardSigmoid } from './hard-sigmoid.js';
import { hardSwish } from './hard-swish.js';
import { hardmax } from './hardmax.js';
import { identity } from './identity.js';
import { isInf } from './is-inf.js';
import { isNaN } from './is-na-n.js';
import { leakyRelu } from './leaky-relu.js';
import { less } from './less.js';
import { lessOrEqual } from './less-or-equal.js';
import { log } from './log.js';
import { logSoftmax } from './log-softmax.js';
import { max } from './max.js';
import { mean } from './mean.js';
import { min } from './min.js';
import { mish } from './mish.js';
import { mod } from './mod.js';
import { msGelu } from './ms-gelu.js';
import { msQuickGelu } from './ms-quick-gelu.js';
import { mul } from './mul.js';
import { neg } from './neg.js';
import { not } from './not.js';
import { or } from './or.js';
import { pow } from './pow.js';
import { prelu } from './prelu.js';
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
import { round } from './round.js';
import { selu } from './selu.js';
import { shape } from './shape.js';
import { sigmoid } from './sigmoid.js';
import { sign } from './sign.js';
import { sin } from './sin.js';
import { sinh } from './sinh.js';
import { size } from './size.js';
import { softmax } from './softmax.js';
import { softplus } from './softplus.js';
import { softsign } from './softsign.js';
import { sqrt } from './sqrt.js';
import { squeeze } from './squeeze.js';
import { sub } from './sub.js';
import { sum } from './sum.js';
import { swish } from './swish.js';
import { tan } from './tan.js';
import { tanh } from './tanh.js';
import { thresholdedRelu } from './thresholded-relu.js';
import { transpose } from './transpose.js';
import { unsqueeze } from './unsqueeze.js';
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
  concat,
  constantOfShape,
  constant,
  cos,
  cosh,
  div,
  elu,
  equal,
  erf,
  exp,
  expand,
  flatten,
  floor,
  gelu,
  greaterOrEqual,
  greater,
  hardSigmoid,
  hardSwish,
  hardmax,
  identity,
  isInf,
  isNaN,
  leakyRelu,
  lessOrEqual,
  less,
  logSoftmax,
  log,
  max,
  mean,
  min,
  mish,
  mod,
  msGelu,
  msQuickGelu,
  mul,
  neg,
  not,
  or,
  pow,
  prelu,
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
  round,
  selu,
  shape,
  sigmoid,
  sign,
  sin,
  sinh,
  size,
  softmax,
  softplus,
  softsign,
  sqrt,
  squeeze,
  sub,
  sum,
  swish,
  tan,
  tanh,
  thresholdedRelu,
  transpose,
  unsqueeze,
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
