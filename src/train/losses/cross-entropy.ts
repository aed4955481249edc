import { attrInt, attrInts } from '../../ir/attr.js';
import type { Value } from '../../ir/model.js';
import { shapeOf, tensorType } from '../../ir/shape.js';
import { f32Tensor } from '../../ir/tensor.js';
import type { TrainBuilder } from './builder.js';
import { defineLoss, type Loss } from './define.js';
import { areClasses, asF32, classCount, classesOf, classRange, softmaxParts } from './parts.js';

export const crossEntropyLoss = defineLoss({
  kind: 'cross-entropy',
  doc: 'mean cross-entropy of logits and class numbers (torch.nn.functional.cross_entropy)',
  takes: {
    output: '[batch, classes] or [batch, seq, vocabulary]',
    labels:
      'i32 [batch] or [batch, seq]; labels of `--ignore-index` (-100) are ignored; `--shift` scores position t against label t + 1',
  },
  labels: 'classes',
  perplexity: true,
  reads: ['--labels', '--shift', '--ignore-index', '--class-weights'],
  numbers: {
    labelSmoothing: {
      default: 0,
      least: 0,
      below: 1,
      doc: 'share of the target spread over all classes',
    },
  },
  problem: (output, { shift, classWeights }) => {
    const shape = shapeOf(output);
    if (!shape) return 'its rank is unknown';
    if (shape.length < 2) return `cross-entropy needs at least 2 axes, it has ${shape.length}`;
    if (shift && shape.length !== 3) return 'shifting needs logits [batch, seq, vocabulary]';
    const classes = shape.at(-1);
    if (!classWeights || classes === classWeights.length) return null;
    return typeof classes === 'number'
      ? `it has ${classes} classes, and --class-weights gives ${classWeights.length}`
      : 'class weights need a fixed number of classes';
  },
  labelType: (shape) => tensorType('i32', shape?.slice(0, -1) ?? null),
  build: (b, { output, labels, options, numbers }) => {
    const [scored, shifted] = options.shift ? shiftForNextToken(b, output, labels!) : [output, labels!];
    return crossEntropy(b, scored, shifted, classesOf(output), { ...options, ...numbers });
  },
  signature: ({ ignoreIndex, shift, classWeights }) => ({
    ignoreIndex,
    shift,
    ...(classWeights ? { classWeights } : {}),
  }),
});

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
