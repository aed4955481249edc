import { attrInt, attrInts } from '../../ir/attr.js';
import { isFloat } from '../../ir/dtype.js';
import type { Value } from '../../ir/model.js';
import { tensorType } from '../../ir/shape.js';
import { f32Tensor, MemoryTensor } from '../../ir/tensor.js';
import type { TrainBuilder } from './builder.js';

/** A loss as nodes: its mean, how many items were counted, and the gradient to start differentiation from. */
export interface Loss {
  /** f32, rank 0: mean over the counted items */
  readonly loss: Value;
  /** f32, rank 0: counted items (tokens with a label, rows, elements) */
  readonly count: Value;
  /** the value to start from (the logits, cast to f32 or shifted where the loss asks for it) */
  readonly at: Value;
  /** d loss / d at, times `scale` when given */
  gradient(scale: Value | null): Value;
}

export interface CrossEntropyOptions {
  /** labels with this value are ignored */
  readonly ignoreIndex: number;
  /** e: the target is (1 - e) for the label and e / classes for every class */
  readonly labelSmoothing: number;
  /** w: the loss of a label y counts w_y times, and the mean is over the sum of w_y; null: all are 1 */
  readonly classWeights?: readonly number[] | null;
}

/**
 * Mean cross-entropy over labels that are not `ignoreIndex`, as torch.nn.functional.cross_entropy defines it:
 * logits f32 [..., classes], labels i32 [...]. Written with ops that every execution provider has (no OneHot, no
 * LogSoftmax); index arithmetic is int32. When every label is ignored the loss and its gradient are 0, not NaN. A
 * label that is not a class makes loss and gradients NaN, so that a step reports it as not finite and changes nothing.
 */
export function crossEntropy(
  b: TrainBuilder,
  logits: Value,
  labels: Value,
  classes: number | null,
  { ignoreIndex, labelSmoothing, classWeights = null }: CrossEntropyOptions,
): Loss {
  const at = asF32(b, logits);
  const valid = b.one('Not', [b.one('Equal', [labels, b.i32(ignoreIndex)])], {}, 'loss/valid');
  const safe = b.one('Where', [valid, labels, b.i32(0)]);
  const column = b.unsqueeze(safe, -1);
  const isLabel = b.one('Equal', [column, classRange(b, at, classes)], {}, 'loss/isLabel');
  const isClass = areClasses(b, column, classCount(b, at, classes));
  const scored = b.one('And', [b.unsqueeze(valid, -1), isClass], {}, 'loss/scored');
  const otherwise = b.one('Where', [isClass, b.f32(0), b.f32(Number.NaN)]);
  const { shifted, exp, sum, logSum } = softmaxParts(b, at);
  // -log p of the label; with smoothing, the mean of -log p over all classes joins in
  const labelScore = b.reduce('ReduceSum', b.one('Where', [isLabel, shifted, b.f32(0)]), -1, true);
  const weights = classWeights
    ? b.constant(f32Tensor([classWeights.length], Float32Array.from(classWeights)), 'loss/weights')
    : null;
  const labelWeight =
    weights && b.reduce('ReduceSum', b.one('Where', [isLabel, weights, b.f32(0)]), -1, true);
  const all = classWeights?.reduce((total, w) => total + Math.fround(w), 0) ?? 1;
  let perItem = b.one('Sub', [logSum, labelScore]);
  if (labelWeight) perItem = b.one('Mul', [perItem, labelWeight]);
  if (labelSmoothing > 0) {
    const score = weights
      ? b.one('Div', [
          b.reduce('ReduceSum', b.one('Mul', [shifted, weights]), -1, true),
          b.f32(classWeights!.length),
        ])
      : b.reduce('ReduceMean', shifted, -1, true);
    const share = weights ? b.one('Mul', [logSum, b.f32(all / classWeights!.length)]) : logSum;
    const uniform = b.one('Sub', [share, score]);
    perItem = b.one('Add', [
      b.one('Mul', [perItem, b.f32(1 - labelSmoothing)]),
      b.one('Mul', [uniform, b.f32(labelSmoothing)]),
    ]);
  }
  const counted = b.one('Cast', [b.unsqueeze(valid, -1)], { to: attrInt(1) });
  const weight = labelWeight ? b.one('Mul', [counted, labelWeight]) : counted;
  const count = b.sumAll(weight, 'loss/count');
  // weights may be any numbers from 0 on, so that their sum may be below 1
  const divisor = weights
    ? b.one('Where', [b.one('Greater', [count, b.f32(0)]), count, b.f32(1)])
    : b.one('Max', [count, b.f32(1)]);
  // Where selects: a NaN or infinite loss at an ignored position must not leak through 0 * NaN
  const scoredItems = b.one('Where', [scored, perItem, otherwise]);
  const loss = b.one('Div', [b.sumAll(scoredItems), divisor]);
  const gradient = (scale: Value | null): Value => {
    const p = b.one('Div', [exp, sum]);
    if (weights) {
      // d/dz of (1 - e) w_y (-log p_y) + e/C sum_c w_c (-log p_c)
      const own = b.one('Mul', [labelWeight!, b.f32(1 - labelSmoothing)]);
      const spread = labelSmoothing / classWeights!.length;
      const target = b.one('Add', [
        b.one('Where', [isLabel, own, b.f32(0)]),
        b.one('Mul', [weights, b.f32(spread)]),
      ]);
      const total = b.one('Add', [own, b.f32(spread * all)]);
      const slope = b.one('Sub', [b.one('Mul', [p, total]), target]);
      const raw = b.one('Mul', [slope, b.one('Div', [scale ?? b.f32(1), divisor])]);
      return b.one('Where', [scored, raw, otherwise], {}, 'loss/gradient');
    }
    let target = b.one('Where', [isLabel, b.f32(1 - labelSmoothing), b.f32(0)]);
    if (labelSmoothing > 0 && classes !== null) {
      target = b.one('Where', [
        isLabel,
        b.f32(1 - labelSmoothing + labelSmoothing / classes),
        b.f32(labelSmoothing / classes),
      ]);
    } else if (labelSmoothing > 0) {
      const share = b.one('Div', [
        b.f32(labelSmoothing),
        b.one('Cast', [b.lastExtent(at)], { to: attrInt(1) }),
      ]);
      target = b.one('Add', [target, share]);
    }
    const factor = b.one('Div', [scale ?? b.f32(1), divisor]);
    const raw = b.one('Mul', [b.one('Sub', [p, target]), factor]);
    return b.one('Where', [scored, raw, otherwise], {}, 'loss/gradient');
  };
  return { loss, count, at, gradient };
}

/** Mean squared error over the targets that count (see `counted`); `target` f32 of the shape of the predictions. */
export function meanSquaredError(b: TrainBuilder, prediction: Value, target: Value): Loss {
  const at = asF32(b, prediction);
  const { ignored, count, divisor } = counted(b, target);
  const difference = b.one('Where', [ignored, b.f32(0), b.one('Sub', [at, target])]);
  const loss = b.one('Div', [b.sumAll(b.one('Mul', [difference, difference])), divisor]);
  const gradient = (scale: Value | null): Value =>
    b.one('Mul', [difference, b.one('Div', [twice(b, scale), divisor])]);
  return { loss, count, at, gradient };
}

/**
 * Mean binary cross-entropy on logits (torch.nn.functional.binary_cross_entropy_with_logits) over the targets that count
 * (see `counted`); `target` f32 of the same shape with values in [0, 1]. Uses max(z, 0) - z y + log(1 + exp(-|z|)), which
 * overflows for no z.
 */
export function binaryCrossEntropy(b: TrainBuilder, logits: Value, target: Value): Loss {
  const at = asF32(b, logits);
  const { ignored, count, divisor } = counted(b, target);
  const tail = b.one('Log', [b.one('Add', [b.one('Exp', [b.one('Neg', [b.one('Abs', [at])])]), b.f32(1)])]);
  const perItem = b.one('Add', [
    b.one('Sub', [b.one('Max', [at, b.f32(0)]), b.one('Mul', [at, target])]),
    tail,
  ]);
  const loss = b.one('Div', [b.sumAll(b.one('Where', [ignored, b.f32(0), perItem])), divisor]);
  const gradient = (scale: Value | null): Value => {
    const slope = b.one('Where', [ignored, b.f32(0), b.one('Sub', [b.one('Sigmoid', [at]), target])]);
    return b.one('Mul', [slope, b.one('Div', [scale ?? b.f32(1), divisor])]);
  };
  return { loss, count, at, gradient };
}

/** What a host writes into labels that do not count in losses on numbers: the largest float32. */
export const IGNORE_VALUE = 3.4028234663852886e38;
/** Targets above this do not count. */
const LARGEST_TARGET = 3e38;

/**
 * Which targets are left out (bool, the shape of `target`), how many count (f32, rank 0), and what sums are divided by.
 * Targets above 3e38 do not count, as labels equal to `ignoreIndex` do not in cross-entropy. NaN counts, and makes the
 * loss NaN.
 */
export function counted(b: TrainBuilder, target: Value) {
  const ignored = b.one('Greater', [target, b.f32(LARGEST_TARGET)], {}, 'loss/ignored');
  const weight = b.one('Cast', [b.one('Not', [ignored])], { to: attrInt(1) });
  const count = b.sumAll(weight, 'loss/count');
  return { ignored, count, divisor: b.one('Max', [count, b.f32(1)]) };
}

/**
 * Drops the last position of the logits and the first of the labels, so that position t is scored against token t + 1
 * (causal language models whose labels are the input ids themselves).
 */
export function shiftForNextToken(b: TrainBuilder, logits: Value, labels: Value): [Value, Value] {
  const slice = (x: Value, from: number, to: number): Value =>
    b.opset >= 10
      ? b.one('Slice', [x, b.i64([from]), b.i64([to]), b.i64([1])])
      : b.one('Slice', [x], { starts: attrInts([from]), ends: attrInts([to]), axes: attrInts([1]) });
  const cut = slice(logits, 0, -1);
  const { type } = logits;
  if (type?.kind === 'tensor' && type.shape) {
    const shape = type.shape.map((dim, i) => (i === 1 ? null : dim));
    cut.setType(tensorType(type.dtype, shape));
  }
  return [cut, slice(labels, 1, Number.MAX_SAFE_INTEGER)];
}

function twice(b: TrainBuilder, scale: Value | null): Value {
  return scale ? b.one('Mul', [scale, b.f32(2)]) : b.f32(2);
}

/** Loss arithmetic is float32 whatever the model computes in. */
export function asF32(b: TrainBuilder, value: Value): Value {
  const { type } = value;
  if (type?.kind !== 'tensor' || type.dtype === 'f32' || !isFloat(type.dtype)) return value;
  const cast = b.one('Cast', [value], { to: attrInt(1) });
  cast.setType(tensorType('f32', type.shape));
  return cast;
}

/** 0 .. classes-1 as i32: a constant when the extent is known. */
export function classRange(b: TrainBuilder, logits: Value, classes: number | null): Value {
  if (classes !== null) {
    const data = Int32Array.from({ length: classes }, (_, i) => i);
    return b.constant(new MemoryTensor('i32', [classes], new Uint8Array(data.buffer)), 'loss/classes');
  }
  return b.one('Range', [b.i32(0), classCount(b, logits, null), b.i32(1)]);
}

/** The number of classes as i32, rank 0: a constant when the extent is known. */
export function classCount(b: TrainBuilder, logits: Value, classes: number | null): Value {
  return classes === null ? b.one('Cast', [b.lastExtent(logits)], { to: attrInt(6) }) : b.i32(classes);
}

/** Which labels are classes, 0 to `count` - 1. */
export function areClasses(b: TrainBuilder, labels: Value, count: Value): Value {
  return b.one('And', [b.one('Not', [b.one('Less', [labels, b.i32(0)])]), b.one('Less', [labels, count])]);
}

/** The parts of a softmax over the last axis: p = exp / sum, log p = shifted - logSum. */
export function softmaxParts(b: TrainBuilder, logits: Value) {
  const shifted = b.one('Sub', [logits, b.reduce('ReduceMax', logits, -1, true)]);
  const exp = b.one('Exp', [shifted]);
  const sum = b.reduce('ReduceSum', exp, -1, true);
  return { shifted, exp, sum, logSum: b.one('Log', [sum]) };
}
