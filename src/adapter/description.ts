import { deltaTerm } from './terms.js';

/**
 * An adapter is data: an einsum over factors next to a frozen linear layer y = x W + b, W as (in, out).
 *
 *     D  = delta(factors)              (in, out)
 *     y  = x (W + s D) + b             s: the effective scale
 *
 * LoTR (arXiv 2402.01376) and LoRA (arXiv 2106.09685) are two values of one description; no pass depends on their names.
 *
 * `delta` maps factor index spaces to `io`: `i` and `o` are the layer's in and out extents, every other letter has the
 * extent that `extents` gives it, or the rank. LoTR is `ir,rs,so->io` with R (group), M (site), L (group); LoRA is
 * `ir,ro->io` with A and B (site).
 */
export interface AdapterSpec {
  readonly method: string;
  readonly delta: string;
  /** one per einsum operand, in order */
  readonly factors: readonly FactorSpec[];
  readonly scale: number;
  /** effective scale: scale/r, scale/sqrt(r), scale */
  readonly scaling: 'rank' | 'sqrt-rank' | 'none';
  /** letters whose extent is not the rank */
  readonly extents?: Readonly<Record<string, number>>;
}

export interface FactorSpec {
  /** R, M, L for LoTR; A, B for LoRA: the name in JSON, files, options and documents */
  readonly name: string;
  readonly share: Share;
  readonly init: Init;
  readonly lrMultiplier: number;
  readonly mode: Mode;
  /** one instance of the largest extents, of which each layer reads the leading part */
  readonly slice?: true;
}

/**
 * Which layers read one instance of a factor. `site`: one per weight identity; `group`: one per group of --share; `model`: all
 * layers of the plan; `layer`: those of one module path up to its first numbered segment; `type`: those of one path after it.
 */
export type Share = (typeof SHARES)[number];
export const SHARES = ['site', 'group', 'model', 'layer', 'type'] as const;

/** `frozen`: stored, not trained. `seeded`: frozen, and made again from the seed where an adapter file does not hold it. */
type Mode = (typeof MODES)[number];
export const MODES = ['trainable', 'frozen', 'seeded'] as const;

/**
 * `normal`: N(0, sd^2); `fanIn`: N(0, gain/fan); `uniform`: within the bound; `kaimingUniform`: within sqrt(6/((1+a^2) fan));
 * fan: see {@link fanOf}. `svd`: see init-factors; `power`: singular vectors times singular values to that power.
 */
export type Init =
  | 'zeros'
  | 'ones'
  | 'eye'
  | 'orthogonal'
  | { readonly constant: number }
  | { readonly normal: number }
  | { readonly uniform: number }
  | { readonly fanIn: number }
  | { readonly kaimingUniform: number }
  | { readonly svd: 'in' | 'out' | 'core'; readonly power?: number };

/** The extents of a layer that its factors' axes have. */
export interface LayerExtents {
  readonly in: number;
  readonly out: number;
  readonly rank: number;
}

/** Extent of a letter of the delta for a layer. */
function extentOf(spec: AdapterSpec, letter: string, layer: LayerExtents): number {
  const term = deltaTerm(spec.delta);
  if (term.in.includes(letter)) return layer.in;
  if (term.out.includes(letter)) return layer.out;
  return (Object.hasOwn(spec.extents ?? {}, letter) ? spec.extents![letter] : undefined) ?? layer.rank;
}

/**
 * The number of values that one output of a factor is summed over: the product of its extents on the in side of the result; if
 * it has none, of those that are summed away; if it has none of these, 1.
 */
export function fanOf(spec: AdapterSpec, factor: number, shape: readonly number[]): number {
  const term = deltaTerm(spec.delta);
  const letters = term.operands[factor]!;
  const over = (wanted: (letter: string) => boolean) =>
    letters.flatMap((l, k) => (wanted(l) ? [shape[k]!] : []));
  const inside = over((letter) => term.in.includes(letter));
  const summed = over((letter) => !term.result.includes(letter));
  return (inside.length > 0 ? inside : summed).reduce((a, b) => a * b, 1);
}

/** Whether a factor's values are learned. */
export const isTrained = ({ mode }: FactorSpec): boolean => mode === 'trainable';

/** Extents of a factor as a layer reads it: R of LoTR is [in, r]. */
export function shapeOfFactor(spec: AdapterSpec, factor: number, layer: LayerExtents): number[] {
  const letters = deltaTerm(spec.delta).operands[factor];
  if (!letters) throw new Error(`${spec.method} has no factor ${factor}`);
  return letters.map((letter) => extentOf(spec, letter, layer));
}

/** The factor by which the product of all factors is multiplied. */
export function effectiveScale(spec: Pick<AdapterSpec, 'scale' | 'scaling'>, rank: number): number {
  if (spec.scaling === 'rank') return spec.scale / rank;
  return spec.scaling === 'sqrt-rank' ? spec.scale / Math.sqrt(rank) : spec.scale;
}
