import { attrInt } from '../../ir/attr.js';
import type { Value } from '../../ir/model.js';
import type { TrainBuilder } from './builder.js';
import { type ClassLabels, classMean, classScores, defineClassLoss } from './classes.js';
import type { Loss } from './define.js';
import { classesOf } from './parts.js';

export const crossEntropyLoss = defineClassLoss({
  kind: 'cross-entropy',
  doc: 'mean cross-entropy of logits and class numbers (torch.nn.functional.cross_entropy)',
  numbers: {
    labelSmoothing: {
      default: 0,
      least: 0,
      below: 1,
      doc: 'share of the target spread over all classes',
    },
  },
  build: (b, { output, labels, options, numbers }) =>
    crossEntropy(b, output, labels!, classesOf(output), { ...options, ...numbers }),
});

export interface CrossEntropyOptions extends ClassLabels {
  /** e: the target is (1 - e) for the label and e / classes for every class */
  readonly labelSmoothing: number;
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
  const scores = classScores(b, logits, labels, classes, { ignoreIndex, classWeights });
  const { at, isLabel, scored, otherwise, shifted, exp, sum, logSum, labelScore, weights, labelWeight } =
    scores;
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
  const { loss, count, divisor } = classMean(b, scores, perItem);
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
