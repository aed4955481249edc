import type { Value } from '../../ir/model.js';
import type { TrainBuilder } from './builder.js';
import { type ClassLabels, classMean, classScores, defineClassLoss } from './classes.js';
import type { Loss } from './define.js';
import { classesOf } from './parts.js';

export const focal = defineClassLoss({
  kind: 'focal',
  doc: 'mean focal loss, -(1 - p)^gamma log p for the probability p of the label (arXiv 1708.02002); class weights are its alpha',
  numbers: { gamma: { default: 2, least: 0, doc: 'how much less a label counts that is predicted well' } },
  build: (b, { output, labels, options, numbers: { gamma } }) =>
    focalLoss(b, output, labels!, classesOf(output), { ...options, gamma }),
});

/** With gamma 0 it is the cross-entropy, also in what it is a mean over. */
function focalLoss(
  b: TrainBuilder,
  logits: Value,
  labels: Value,
  classes: number | null,
  { gamma, ...rest }: ClassLabels & { readonly gamma: number },
): Loss {
  const scores = classScores(b, logits, labels, classes, rest);
  const { at, isLabel, scored, otherwise, exp, sum, logSum, labelScore, labelWeight } = scores;
  // 1 - p as a sum over the other classes: exact where p is near 1
  const others = b.reduce('ReduceSum', b.one('Where', [isLabel, b.f32(0), exp]), -1, true);
  const missing = b.one('Div', [others, sum]);
  // -log p: by its series where p is near 1, which the difference of logarithms rounds away
  const cubic = b.one('Add', [b.f32(0.5), b.one('Div', [missing, b.f32(3)])]);
  const series = b.one('Mul', [missing, b.one('Add', [b.f32(1), b.one('Mul', [missing, cubic])])]);
  const minusLog = b.one('Where', [
    b.one('Less', [missing, b.f32(1e-3)]),
    series,
    b.one('Sub', [logSum, labelScore]),
  ]);
  const weighted = (x: Value): Value => (labelWeight ? b.one('Mul', [x, labelWeight]) : x);
  const power = b.one('Pow', [missing, b.f32(gamma)]);
  const { loss, count, divisor } = classMean(b, scores, weighted(b.one('Mul', [power, minusLog])));
  const gradient = (scale: Value | null): Value => {
    const p = b.one('Div', [exp, sum]);
    // (1 - p)^gamma + gamma p (1 - p)^(gamma - 1) (-log p); the last two factors are 0 together
    const above = b.one('Max', [missing, b.f32(SMALLEST)]);
    const bend = b.one('Mul', [b.one('Pow', [above, b.f32(gamma - 1)]), minusLog]);
    const own = b.one('Sub', [b.f32(1), missing]);
    const slope = b.one('Add', [power, b.one('Mul', [b.one('Mul', [own, b.f32(gamma)]), bend])]);
    const target = b.one('Where', [isLabel, b.f32(1), b.f32(0)]);
    const factor = b.one('Div', [scale ?? b.f32(1), divisor]);
    const raw = b.one('Mul', [b.one('Sub', [p, target]), weighted(slope)]);
    return b.one('Where', [scored, b.one('Mul', [raw, factor]), otherwise], {}, 'loss/gradient');
  };
  return { loss, count, at, gradient };
}

/** What 1 - p is at least when it is raised to a negative power. */
const SMALLEST = 1e-30;
