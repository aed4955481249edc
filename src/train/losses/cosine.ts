import type { Value } from '../../ir/model.js';
import { tensorType } from '../../ir/shape.js';
import type { TrainBuilder } from './builder.js';
import { defineLoss, type Loss } from './define.js';
import { numberSignature } from './numbers.js';
import { halves, type Pairs, pairsProblem } from './pairs.js';
import { counted } from './parts.js';

export const cosine = defineLoss({
  kind: 'cosine',
  doc: "mean squared difference of cosine similarities and targets (sentence-transformers' CosineSimilarityLoss)",
  takes: { output: 'embeddings', labels: 'f32 [B] in [-1, 1]: the similarity that each pair should have' },
  reads: ['--labels', '--mask'],
  numbers: {},
  problem: pairsProblem,
  labelType: (shape) => {
    const rows = shape?.[0];
    return tensorType('f32', [typeof rows === 'number' ? rows / 2 : 'pairs']);
  },
  labelProblem: (value) => (value >= -1 && value <= 1 ? null : `the label ${value} is not between -1 and 1`),
  build: (b, { output, mask, labels }) => cosineRegression(b, { output, mask }, labels!),
  signature: () => numberSignature,
});

/**
 * Mean squared difference of cosine similarities and targets, as sentence-transformers' CosineSimilarityLoss:
 * mean over pairs of (cos(u_i, v_i) - y_i)^2; `target` f32 [B], in [-1, 1]; pairs whose target is above 3e38 do not count.
 * A row of zeros has similarity 0.
 */
function cosineRegression(b: TrainBuilder, pairs: Pairs, target: Value): Loss {
  const { at, u, v, backward } = halves(b, pairs);
  const similarity = b.reduce('ReduceSum', b.one('Mul', [u, v]), -1, false);
  const { ignored, count, divisor } = counted(b, target);
  const difference = b.one('Where', [ignored, b.f32(0), b.one('Sub', [similarity, target])]);
  const loss = b.one('Div', [b.sumAll(b.one('Mul', [difference, difference])), divisor]);
  const gradient = (scale: Value | null): Value => {
    const factor = b.one('Div', [scale ? b.one('Mul', [scale, b.f32(2)]) : b.f32(2), divisor]);
    const slope = b.unsqueeze(b.one('Mul', [difference, factor]), -1);
    return backward(b.one('Mul', [slope, v]), b.one('Mul', [slope, u]));
  };
  return { loss, count, at, gradient };
}
