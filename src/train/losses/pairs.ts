import { attrInt } from '../../ir/attr.js';
import type { Value } from '../../ir/model.js';
import { shapeOf } from '../../ir/shape.js';
import type { TrainBuilder } from './builder.js';
import { asF32 } from './parts.js';

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

/** Pooled rows of length 1 in two halves, and the way back from their gradients to the model's output. */
export function halves(b: TrainBuilder, { output, mask }: Pairs) {
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

/** Why an output is not one of embeddings in pairs; null: it is. */
export function pairsProblem(output: Value): string | null {
  const shape = shapeOf(output);
  if (!shape) return 'its rank is unknown';
  if (shape.length !== 2 && shape.length !== 3) return `embeddings have 2 or 3 axes, it has ${shape.length}`;
  const [rows] = shape;
  return typeof rows === 'number' && rows % 2 === 1
    ? `pairs need an even number of rows, it has ${rows}`
    : null;
}
