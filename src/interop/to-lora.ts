import { effectiveScale, wrapOf } from '../adapter/description.js';
import { LORA } from '../adapter/methods/lora.js';
import { deltaTerm, splitAtInput } from '../adapter/terms.js';
import { wholeDelta } from '../adapter/to-numbers/delta.js';
import { numbersOf } from '../adapter/to-numbers/tensor.js';
import { leadingProduct } from '../init/leading-product.js';
import { notExact, notLora } from '../ir/codes/files.js';
import { fail } from '../ir/diagnostics.js';
import { f32Tensor, type TensorData } from '../ir/tensor.js';
import type { ExpertOf, ForeignLayer } from './foreign.js';
import { transposedF32, transposedTermF32 } from './matrices.js';

/** A layer as LoRA, in the orientation that PyTorch has. */
export interface LoraLayer {
  readonly module: string;
  readonly rank: number;
  /** (rank, in) and (out, rank), float32 */
  readonly a: TensorData;
  readonly b: TensorData;
  /** the product is multiplied by alpha / rank, or alpha / sqrt(rank) */
  readonly alpha: number;
  readonly scaling: 'rank' | 'sqrt-rank';
  /** relative error of the product by singular values; null where nothing but the rounding of B is lost */
  readonly error: number | null;
  readonly window?: readonly number[] | undefined;
  readonly expert?: ExpertOf | undefined;
}

/** A LoRA layer in the orientation of lotrc. */
export function asForeignLayer({ module, a, b, rank, alpha, scaling, expert }: LoraLayer): ForeignLayer {
  const spec = { ...LORA, scale: alpha, scaling };
  const factors = [a, b].map(transposedF32);
  return { module, in: a.shape[1]!, out: b.shape[0]!, rank, spec, factors, ...(expert ? { expert } : {}) };
}

/**
 * A layer as LoRA: exactly, at the same rank, where delta is a matrix times the rest (A is that matrix, B the rest, computed in
 * float64 and rounded once); otherwise by singular values, of the smallest rank whose relative error is within the tolerance.
 * Throws LOTR7205 without a tolerance, LOTR7201 for methods that do not
 * add to the weight.
 */
export function toLora(layer: ForeignLayer, tolerance: number | null): LoraLayer {
  const { spec, factors, rank: own, module, window, expert } = layer;
  if (wrapOf(spec) !== 'add')
    fail(notLora({ method: spec.method, why: `it changes the weight itself (wrap ${wrapOf(spec)})` }));
  const term = deltaTerm(spec.delta);
  const split = layer.in === null ? null : splitAtInput(term);
  if (split && term.out.every((letter) => term.operands.flat().includes(letter))) {
    const a = transposedF32(factors[split.first]!);
    const b = transposedTermF32(
      split.rest,
      split.others.map((k) => factors[k]!),
    );
    const rank = a.shape[0]!;
    const scaling = spec.scaling === 'sqrt-rank' && rank === own ? 'sqrt-rank' : 'rank';
    // `scale` itself where that is what is divided, so that no rounding enters
    const kept = spec.scaling !== 'none' && rank === own;
    const alpha = kept ? spec.scale : effectiveScale(spec, own) * rank;
    return { module, rank, a, b, alpha, scaling, error: null, window, expert };
  }
  if (tolerance === null)
    return fail(notExact({ layer: module, method: spec.method, error: null, tolerance: null }));
  if (layer.in === null || layer.out === null)
    return fail(notLora({ method: spec.method, why: `it does not say the extents of "${module}"` }));
  const delta = wholeDelta(term, factors.map(numbersOf), { in: layer.in, out: layer.out });
  const { left, right, rank, error } = leadingProduct(delta.data, layer.in, layer.out, tolerance);
  if (error > tolerance) fail(notExact({ layer: module, method: spec.method, error, tolerance }));
  const alpha = effectiveScale(spec, own) * rank;
  const a = f32Tensor([rank, layer.in], left);
  const b = f32Tensor([layer.out, rank], right);
  return { module, rank, a, b, alpha, scaling: 'rank', error, window, expert };
}
