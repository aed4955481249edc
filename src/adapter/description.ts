import { operandsOf } from './terms.js';

/**
 * An adapter is data: an einsum over factors next to a frozen linear layer. LoTR (arXiv 2402.01376) and LoRA
 * (arXiv 2106.09685) are two values of one description; no pass depends on their names.
 *
 * `delta` maps factor index spaces to `io`: `i` and `o` are the layer's in and out extents, every other letter is a
 * rank. LoTR is `ir,rs,so->io` with R (group), M (site), L (group); LoRA is `ir,ro->io` with A and B (site).
 */
export interface AdapterSpec {
  readonly method: string;
  readonly delta: string;
  /** one per einsum operand, in order */
  readonly factors: readonly FactorSpec[];
  readonly scale: number;
  /** effective scale: scale/r, scale/sqrt(r), scale */
  readonly scaling: 'rank' | 'sqrt-rank' | 'none';
}

export interface FactorSpec {
  /** R, M, L for LoTR; A, B for LoRA: the name in JSON, files, options and documents */
  readonly name: string;
  readonly share: 'site' | 'group';
  readonly init: Init;
  readonly lrMultiplier: number;
  readonly mode: 'trainable' | 'frozen';
}

/** `normal`: N(0, sd^2); `fanIn`: N(0, gain/fan) with fan = the factor's first extent; `svd`: see init-factors. */
export type Init =
  | 'zeros'
  | 'eye'
  | { readonly normal: number }
  | { readonly fanIn: number }
  | { readonly svd: 'in' | 'out' | 'core' };

/** Extents of a factor for a layer of (in, out) and rank r: R of LoTR is [in, r]. All rank letters have extent `rank`. */
export function factorShape(
  spec: AdapterSpec,
  factor: number,
  inn: number,
  out: number,
  rank: number,
): number[] {
  const letters = operandsOf(spec)[factor];
  if (!letters) throw new Error(`${spec.method} has no factor ${factor}`);
  return letters.map((letter) => (letter === 'i' ? inn : letter === 'o' ? out : rank));
}

/** The factor by which the product of all factors is multiplied. */
export function effectiveScale(spec: Pick<AdapterSpec, 'scale' | 'scaling'>, rank: number): number {
  if (spec.scaling === 'rank') return spec.scale / rank;
  return spec.scaling === 'sqrt-rank' ? spec.scale / Math.sqrt(rank) : spec.scale;
}
