import { attrInt, attrInts } from '../../ir/attr.js';
import type { Value } from '../../ir/model.js';
import type { TrainBuilder } from './builder.js';
import { crossEntropy } from './cross-entropy.js';
import { defineLoss, type Loss } from './define.js';
import { halves, type Pairs, pairsProblem } from './pairs.js';

export const contrastive = defineLoss({
  kind: 'contrastive',
  doc: "in-batch negatives (InfoNCE, arXiv 1807.03748; sentence-transformers' MultipleNegativesRankingLoss)",
  takes: { output: 'embeddings', labels: 'none: row i belongs to row B + i' },
  reads: ['--mask'],
  numbers: { temperature: { default: 0.05, above: 0, doc: 'similarities are divided by it' } },
  problem: pairsProblem,
  labelType: () => null,
  build: (b, { output, mask, numbers }) => inBatch(b, { output, mask }, numbers.temperature),
  signature: () => ({}),
});

/**
 * In-batch negatives (InfoNCE, arXiv 1807.03748; sentence-transformers' MultipleNegativesRankingLoss with scale
 * 1 / temperature): cross-entropy of cos(u_i, v_j) / temperature over j, whose right answer is j = i. Takes no labels.
 */
function inBatch(b: TrainBuilder, pairs: Pairs, temperature: number): Loss {
  const { at, u, v, backward } = halves(b, pairs);
  const transposed = b.one('Transpose', [v], { perm: attrInts([1, 0]) });
  const scores = b.one('Div', [b.one('MatMul', [u, transposed]), b.f32(temperature)]);
  const own = b.one('Range', [b.i32(0), b.one('Cast', [b.lastExtent(scores)], { to: attrInt(6) }), b.i32(1)]);
  const ranking = crossEntropy(b, scores, own, null, { ignoreIndex: -100, labelSmoothing: 0 });
  const gradient = (scale: Value | null): Value => {
    const slope = b.one('Div', [ranking.gradient(scale), b.f32(temperature)]);
    const back = b.one('Transpose', [slope], { perm: attrInts([1, 0]) });
    return backward(b.one('MatMul', [slope, v]), b.one('MatMul', [back, u]));
  };
  return { loss: ranking.loss, count: ranking.count, at, gradient };
}
