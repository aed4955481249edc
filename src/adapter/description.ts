import { deltaTerm, type Letters } from './terms.js';

/**
 * An adapter is data: an einsum over factors next to a frozen linear layer y = x W + b, W as (in, out).
 *
 *     D  = delta(factors)              (in, out)
 *     y  = x wrap(W, s D) + b          s: the effective scale; wrap: W + s D unless the description says otherwise
 *
 * LoTR (arXiv 2402.01376) and LoRA (arXiv 2106.09685) are two values of one description; no pass depends on their names.
 *
 * `delta` maps factor index spaces to `io`: `i` and `o` are the layer's in and out extents, every other letter has the
 * extent that `extents` gives it, or the rank. LoTR is `ir,rs,so->io` with R (group), M (site), L (group); LoRA is
 * `ir,ro->io` with A and B (site). An axis of the result may be split in parentheses, outer part first: of its letters one
 * may have no extent of its own, and has the quotient.
 */
export interface AdapterSpec {
  readonly method: string;
  readonly delta: string;
  /** one per einsum operand, in order; then the one that only the wrap reads */
  readonly factors: readonly FactorSpec[];
  readonly scale: number;
  /** effective scale: scale/r, scale/sqrt(r), scale */
  readonly scaling: 'rank' | 'sqrt-rank' | 'none';
  /** letters whose extent is not the rank */
  readonly extents?: Readonly<Record<string, Extent>>;
  /** absent: `add` */
  readonly wrap?: Wrap;
  /** of `column-norm`: gradients take the norm as a constant */
  readonly detachNorm?: true;
  /** of `hadamard` over the outputs: the bias is scaled too */
  readonly scaleBias?: true;
  /** for layers with more inputs than outputs; plans hold one form only */
  readonly tall?: Pick<AdapterSpec, 'delta' | 'factors'>;
}

/** The description as a layer of such extents has it. */
export function formFor(
  { tall, ...wide }: AdapterSpec,
  layer: Pick<LayerExtents, 'in' | 'out'>,
): AdapterSpec {
  return tall && layer.in > layer.out ? { ...wide, ...tall } : wide;
}

/**
 * What becomes of the weight: `add`: W + s D. `hadamard`: W + s D W, number by number. `column-norm`: the columns of W + s D,
 * each made as long as the number that its last factor has for it. For the last two, W is as the layer computes it, with the
 * alpha of a Gemm.
 */
export type Wrap = (typeof WRAPS)[number];
export const WRAPS = ['add', 'hadamard', 'column-norm'] as const;

/** How a description changes the weight. */
export const wrapOf = ({ wrap }: Pick<AdapterSpec, 'wrap'>): Wrap => wrap ?? 'add';

/**
 * An extent of a letter. `sqrt`, in parentheses: the largest divisor of the axis that is at most its square root. `cover`,
 * outside of the result: so many matrices of the rank that their sum may have the rank of the weight.
 */
type Extent = number | (typeof EXTENT_WORDS)[number];
export const EXTENT_WORDS = ['sqrt', 'cover'] as const;

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
export type Mode = (typeof MODES)[number];
export const MODES = ['trainable', 'frozen', 'seeded'] as const;

/**
 * `normal`: N(0, sd^2); `fanIn`: N(0, gain/fan); `uniform`: within the bound; `kaimingUniform`: within sqrt(6/((1+a^2) fan));
 * fan: see {@link fanOf}. `svd`: see init-factors; `power`: singular vectors times singular values to that power. `qr`: `out` is
 * orthonormal rows that span the first rows of the weight, `in` the weight's product with them.
 * `weightNorm`: the norms of the weight's columns. `over`: the letter of an axis, whose extent divides the constant.
 */
export type Init =
  | 'zeros'
  | 'ones'
  | 'eye'
  | 'orthogonal'
  | 'weightNorm'
  | { readonly constant: number; readonly over?: string }
  | { readonly normal: number }
  | { readonly uniform: number }
  | { readonly fanIn: number }
  | { readonly kaimingUniform: number }
  | { readonly svd: 'in' | 'out' | 'core'; readonly power?: number }
  | { readonly qr: 'in' | 'out' };

/** The extents of a layer that its factors' axes have. */
export interface LayerExtents {
  readonly in: number;
  readonly out: number;
  readonly rank: number;
}

/** What a description says of the extent of a letter. */
function givenExtent({ extents }: AdapterSpec, letter: string): Extent | undefined {
  return extents && Object.hasOwn(extents, letter) ? extents[letter] : undefined;
}

/** Extent of a letter of the delta for a layer. */
function extentOf(spec: AdapterSpec, letter: string, layer: LayerExtents): number {
  const term = deltaTerm(spec.delta);
  if (term.in.includes(letter)) return partExtent(spec, letter, term.in, layer.in);
  if (term.out.includes(letter)) return partExtent(spec, letter, term.out, layer.out);
  const given = givenExtent(spec, letter);
  if (given === 'cover') return Math.ceil(Math.min(layer.in, layer.out) / layer.rank);
  return typeof given === 'number' ? given : layer.rank;
}

/** Extent of one letter of an axis of the result; a quotient need not be whole. */
function partExtent(spec: AdapterSpec, letter: string, axis: Letters, whole: number): number {
  const own = (each: string): number | null => {
    const given = givenExtent(spec, each);
    return given === 'sqrt' ? rootDivisor(whole) : typeof given === 'number' ? given : null;
  };
  if (axis.length === 1) return whole;
  const rest = axis.reduce((product, each) => (each === letter ? product : product * (own(each) ?? 1)), 1);
  return own(letter) ?? whole / rest;
}

/** The largest divisor of a number that is at most its square root. */
function rootDivisor(of: number): number {
  let divisor = Math.floor(Math.sqrt(of));
  while (of % divisor !== 0) divisor--;
  return divisor;
}

/** Why an axis of a layer cannot be split as a description says, or null. */
export function splitProblem(spec: AdapterSpec, layer: LayerExtents): string | null {
  const term = deltaTerm(spec.delta);
  for (const [axis, whole] of [
    [term.in, layer.in],
    [term.out, layer.out],
  ] as const) {
    if (axis.length === 1) continue;
    const parts = axis.map((letter) => extentOf(spec, letter, layer));
    if (parts.every(Number.isInteger) && parts.reduce((a, b) => a * b, 1) === whole) continue;
    const divisors = Array.from({ length: whole }, (_, k) => k + 1).filter((n) => whole % n === 0);
    const given = axis.flatMap((letter, k) => (givenExtent(spec, letter) ? [`${letter} = ${parts[k]}`] : []));
    return `${whole} cannot be split into (${axis.join('')}) with ${given.join(', ')}: its divisors are ${divisors.join(', ')}`;
  }
  return null;
}

/**
 * The number of values that one output of a factor is summed over: the product of its extents on the in side of the result; if
 * it has none, of those that are summed away; if it has none of these, 1.
 */
export function fanOf(spec: AdapterSpec, factor: number, shape: readonly number[]): number {
  const term = deltaTerm(spec.delta);
  const letters = lettersOfFactor(spec, factor);
  const over = (wanted: (letter: string) => boolean) =>
    letters.flatMap((l, k) => (wanted(l) ? [shape[k]!] : []));
  const inside = over((letter) => term.in.includes(letter));
  const summed = over((letter) => !term.result.includes(letter));
  return (inside.length > 0 ? inside : summed).reduce((a, b) => a * b, 1);
}

/** Letters of the axes of a factor; those of the outputs for the factor that only `column-norm` reads. */
export function lettersOfFactor(spec: Pick<AdapterSpec, 'delta' | 'wrap'>, factor: number): Letters {
  const { operands, out } = deltaTerm(spec.delta);
  return operands[factor] ?? [out.join('')];
}

/** Whether a factor's values are learned. */
export const isTrained = ({ mode }: FactorSpec): boolean => mode === 'trainable';

/** Extents of a factor as a layer reads it: R of LoTR is [in, r]. */
export function shapeOfFactor(spec: AdapterSpec, factor: number, layer: LayerExtents): number[] {
  const letters = deltaTerm(spec.delta).operands[factor];
  if (letters) return letters.map((letter) => extentOf(spec, letter, layer));
  if (spec.wrap !== 'column-norm') throw new Error(`${spec.method} has no factor ${factor}`);
  return [layer.out];
}

/** The factor by which the product of all factors is multiplied. */
export function effectiveScale(spec: Pick<AdapterSpec, 'scale' | 'scaling'>, rank: number): number {
  if (spec.scaling === 'rank') return spec.scale / rank;
  return spec.scaling === 'sqrt-rank' ? spec.scale / Math.sqrt(rank) : spec.scale;
}
