import { attrInt, attrInts } from '../../ir/attr.js';
import type { Value } from '../../ir/model.js';
import type { TrainBuilder } from './builder.js';
import { asF32, counted, crossEntropy, type Loss } from './loss.js';

/**
 * Losses on pairs of embeddings from one encoder. The batch holds 2B rows: the first half are the left sides of the
 * pairs, the second half the right sides in the same order; row i belongs to row B + i. An odd number of rows is refused
 * by the reshape at run time.
 */
export interface Pairs {
  /** [2B, D], or [2B, T, D], which is averaged over T */
  readonly output: Value;
  /** [2B, T], 1 where a position counts; null: all count */
  readonly mask: Value | null;
}

/** The smallest norm that is divided by (torch.nn.functional.cosine_similarity). */
const EPSILON = 1e-8;
/** The smallest number of positions that is divided by: a row without any has the embedding 0. */
const FEWEST = 1e-9;

/**
 * Mean squared difference of cosine similarities and targets, as sentence-transformers' CosineSimilarityLoss:
 * mean over pairs of (cos(u_i, v_i) - y_i)^2; `target` f32 [B], in [-1, 1]; pairs whose target is above 3e38 do not count.
 * A row of zeros has similarity 0.
 */
export function cosineRegression(b: TrainBuilder, pairs: Pairs, target: Value): Loss {
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

/**
 * In-batch negatives (InfoNCE, arXiv 1807.03748; sentence-transformers' MultipleNegativesRankingLoss with scale
 * 1 / temperature): cross-entropy of cos(u_i, v_j) / temperature over j, whose right answer is j = i. Takes no labels.
 */
export function contrastive(b: TrainBuilder, pairs: Pairs, temperature: number): Loss {
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

/** Pooled rows of length 1 in two halves, and the way back from their gradients to the model's output. */
function halves(b: TrainBuilder, { output, mask }: Pairs) {
  const at = asF32(b, output);
  const rank = at.type?.kind === 'tensor' ? at.type.shape!.length : 2;
  const weight = rank === 3 && mask ? positionWeights(b, mask) : null;
  const pooled =
    rank === 2
      ? at
      : weight
        ? b.reduce('ReduceSum', b.one('Mul', [at, weight]), 1, false)
        : b.reduce('ReduceMean', at, 1, false);
  const length = b.one('Sqrt', [b.reduce('ReduceSum', b.one('Mul', [pooled, pooled]), -1, true)]);
  const divisor = b.one('Max', [length, b.f32(EPSILON)]);
  const unit = b.one('Div', [pooled, divisor], {}, 'loss/unit');
  const paired = b.one('Concat', [b.i64([2, -1]), b.extents(pooled, 1, 2)], { axis: attrInt(0) });
  const both = b.one('Reshape', [unit, paired]);
  const side = (index: number): Value => b.one('Gather', [both, b.index(index)], { axis: attrInt(0) });
  const backward = (du: Value, dv: Value): Value => {
    const d = b.one('Concat', [du, dv], { axis: attrInt(0) });
    // d(x / |x|): what is along x does not count. The clamped norm of a row of zeros keeps this finite.
    const along = b.one('Mul', [unit, b.reduce('ReduceSum', b.one('Mul', [d, unit]), -1, true)]);
    const pooledGrad = b.one('Div', [b.one('Sub', [d, along]), divisor]);
    if (rank === 2) return pooledGrad;
    const row = b.unsqueeze(pooledGrad, 1);
    if (weight) return b.one('Mul', [row, weight], {}, 'loss/gradient');
    const positions = b.one('Cast', [b.extents(at, 1, 2)], { to: attrInt(1) });
    return b.one('Expand', [b.one('Div', [row, positions]), b.one('Shape', [at])], {}, 'loss/gradient');
  };
  return { at, u: side(0), v: side(1), backward };
}

/** [rows, T] -> [rows, T, 1]: each position's share of its row's mean. */
function positionWeights(b: TrainBuilder, mask: Value): Value {
  const counted = b.one('Cast', [mask], { to: attrInt(1) });
  const sum = b.one('Max', [b.reduce('ReduceSum', counted, 1, true), b.f32(FEWEST)]);
  return b.unsqueeze(b.one('Div', [counted, sum]), -1);
}
