import { attrInt, attrInts } from '../../ir/attr.js';
import type { Value } from '../../ir/model.js';
import { shapeOf, tensorType } from '../../ir/shape.js';
import { f32Tensor } from '../../ir/tensor.js';
import type { TrainBuilder } from './builder.js';
import { defineLoss, type LossDef } from './define.js';
import type { LossKind } from './facts.js';
import { areClasses, asF32, classCount, classRange, softmaxParts } from './parts.js';

/**
 * Declares a loss on class numbers: labels i32 of the shape of the logits without their last axis. With `--shift` the
 * declaration gets logits and labels of which position t of the one belongs to position t of the other.
 */
export function defineClassLoss<const K extends LossKind, const N extends string>({
  build,
  ...def
}: Pick<LossDef<K, N>, 'kind' | 'doc' | 'numbers' | 'build'>): LossDef<K, N> {
  return defineLoss<K, N>({
    takes: {
      output: '[batch, classes] or [batch, seq, vocabulary]',
      labels:
        'i32 [batch] or [batch, seq]; labels of `--ignore-index` (-100) are ignored; `--shift` scores position t against label t + 1',
    },
    reads: ['--labels', '--shift', '--ignore-index', '--class-weights'],
    problem: (output, { shift, classWeights }) => {
      const shape = shapeOf(output);
      if (!shape) return 'its rank is unknown';
      if (shape.length < 2) return `${def.kind} needs at least 2 axes, it has ${shape.length}`;
      if (shift && shape.length !== 3) return 'shifting needs logits [batch, seq, vocabulary]';
      const classes = shape.at(-1);
      if (!classWeights || classes === classWeights.length) return null;
      return typeof classes === 'number'
        ? `it has ${classes} classes, and --class-weights gives ${classWeights.length}`
        : 'class weights need a fixed number of classes';
    },
    labelType: (shape) => tensorType('i32', shape?.slice(0, -1) ?? null),
    signature: ({ ignoreIndex, shift, classWeights }) => ({
      ignoreIndex,
      shift,
      ...(classWeights ? { classWeights } : {}),
    }),
    build: (b, given) => {
      if (!given.options.shift) return build(b, given);
      const [output, labels] = shiftForNextToken(b, given.output, given.labels!);
      return build(b, { ...given, output, labels });
    },
    ...def,
  });
}

export interface ClassLabels {
  /** labels with this value are ignored */
  readonly ignoreIndex: number;
  /** w: the loss of a label y counts w_y times, and the mean is over the sum of w_y; null: all are 1 */
  readonly classWeights?: readonly number[] | null;
}

/**
 * What losses on class numbers share: logits f32 [..., classes], labels i32 [...]. Written with ops that every execution
 * provider has (no OneHot, no LogSoftmax); index arithmetic is int32.
 */
export function classScores(
  b: TrainBuilder,
  logits: Value,
  labels: Value,
  classes: number | null,
  { ignoreIndex, classWeights = null }: ClassLabels,
) {
  const at = asF32(b, logits);
  const valid = b.one('Not', [b.one('Equal', [labels, b.i32(ignoreIndex)])], {}, 'loss/valid');
  const safe = b.one('Where', [valid, labels, b.i32(0)]);
  const column = b.unsqueeze(safe, -1);
  const isLabel = b.one('Equal', [column, classRange(b, at, classes)], {}, 'loss/isLabel');
  const isClass = areClasses(b, column, classCount(b, at, classes));
  const scored = b.one('And', [b.unsqueeze(valid, -1), isClass], {}, 'loss/scored');
  // what stands where no label is scored: 0 for ignored ones, NaN for a label that is not a class
  const otherwise = b.one('Where', [isClass, b.f32(0), b.f32(Number.NaN)]);
  const parts = softmaxParts(b, at);
  const labelScore = b.reduce('ReduceSum', b.one('Where', [isLabel, parts.shifted, b.f32(0)]), -1, true);
  const weights = classWeights
    ? b.constant(f32Tensor([classWeights.length], Float32Array.from(classWeights)), 'loss/weights')
    : null;
  const labelWeight =
    weights && b.reduce('ReduceSum', b.one('Where', [isLabel, weights, b.f32(0)]), -1, true);
  return { at, valid, isLabel, scored, otherwise, ...parts, labelScore, weights, labelWeight };
}

/** The mean of a loss [..., 1] over the labels that count, and what gradients are divided by. */
export function classMean(
  b: TrainBuilder,
  { valid, scored, otherwise, weights, labelWeight }: ReturnType<typeof classScores>,
  perItem: Value,
) {
  const counted = b.one('Cast', [b.unsqueeze(valid, -1)], { to: attrInt(1) });
  const weight = labelWeight ? b.one('Mul', [counted, labelWeight]) : counted;
  const count = b.sumAll(weight, 'loss/count');
  // weights may be any numbers from 0 on, so that their sum may be below 1
  const divisor = weights
    ? b.one('Where', [b.one('Greater', [count, b.f32(0)]), count, b.f32(1)])
    : b.one('Max', [count, b.f32(1)]);
  // Where selects: a NaN or infinite loss at an ignored position must not leak through 0 * NaN
  const scoredItems = b.one('Where', [scored, perItem, otherwise]);
  return { loss: b.one('Div', [b.sumAll(scoredItems), divisor]), count, divisor };
}

/**
 * Drops the last position of the logits and the first of the labels, so that position t is scored against token t + 1
 * (causal language models whose labels are the input ids themselves).
 */
function shiftForNextToken(b: TrainBuilder, logits: Value, labels: Value): [Value, Value] {
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
