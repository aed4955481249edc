import { usualExtent } from './contraction.js';
import type { AdapterSpec } from './description.js';
import { type DeltaTerm, deltaTerm, type Letters, spansResult, type Term } from './terms.js';

/**
 * A delta as kernels compute it: D = down up, so that y = x W + P up with P = x down. Each side is a term over some of the
 * factors; `inner` are the letters of the axis between them.
 */
export interface KernelForm {
  readonly inner: Letters;
  /** (in, inner) */
  readonly down: FormSide;
  /** (inner, out) */
  readonly up: FormSide;
  /**
   * Where up is one product of two matrices, the factors: P can be multiplied by the first of them, and the result by the
   * second, without up itself.
   */
  readonly core: readonly [middle: number, last: number] | null;
}

/** A side of a form. */
export interface FormSide {
  /** its factors, by their places in the delta */
  readonly operands: readonly number[];
  /** over these, in order */
  readonly term: Term;
  /** the factor that is the side as it is stored; null: the side is computed in weight space */
  readonly bare: number | null;
}

/** Factors up to which every way to part them is looked at. */
const EXACT = 12;

/**
 * The form of a description: of all ways to part its factors the one with the narrowest axis between the sides, and then the
 * fewest factors on the side of x. It depends on the description alone, so that all layers have one form. A text where
 * there is none: why.
 */
export function kernelForm({
  delta,
  extents = {},
  factors,
  wrap = 'add',
}: Pick<AdapterSpec, 'delta' | 'extents' | 'factors' | 'wrap'>): KernelForm | string {
  if (wrap !== 'add') return `its wrap is ${wrap}`;
  const term = deltaTerm(delta);
  const { operands, in: inn, out } = term;
  if (!spansResult(term)) return 'its delta splits an axis of the layer, or repeats values along one';
  const reads = (letters: Letters, of: Letters) => letters.some((letter) => of.includes(letter));
  const fixed = operands.flatMap((letters, k) => (reads(letters, inn) ? [k] : []));
  if (fixed.some((k) => reads(operands[k]!, out)))
    return 'one of its factors spans the inputs and the outputs of the layer';
  const usual = usualExtent(term);
  const extent = (letter: string): number => {
    const given = Object.hasOwn(extents, letter) ? extents[letter]! : null;
    return typeof given === 'number' ? given : usual(letter);
  };
  const free = operands.flatMap((letters, k) => (reads(letters, [...inn, ...out]) ? [] : [k]));
  let best: { readonly form: KernelForm; readonly width: number } | null = null;
  for (let set = 0; set < 2 ** (free.length > EXACT ? 0 : free.length); set++) {
    const left = [...fixed, ...free.filter((_, k) => (set >> k) & 1)].sort((a, b) => a - b);
    const form = partedAt(term, left, (k) => factors[k]!.slice === true);
    const width = form.inner.reduce((all, letter) => all * extent(letter), 1);
    const held = best?.form.down.operands.length ?? 0;
    if (!best || width < best.width || (width === best.width && left.length < held)) best = { form, width };
  }
  return best!.form;
}

function partedAt(
  { operands, in: inn, out }: DeltaTerm,
  left: readonly number[],
  sliced: (factor: number) => boolean,
): KernelForm {
  const right = operands.flatMap((_, k) => (left.includes(k) ? [] : [k]));
  const lettersOf = (side: readonly number[]) => new Set(side.flatMap((k) => operands[k]!));
  const inner = [...lettersOf(left)].filter((letter) => lettersOf(right).has(letter));
  const side = (own: readonly number[], result: Letters): FormSide => {
    const term = { operands: own.map((k) => operands[k]!), result };
    const [only, ...others] = own;
    // the letters between lie one after another in memory only where all of their axis is read
    const asItIs =
      others.length === 0 &&
      operands[only!]!.join() === result.join() &&
      !(sliced(only!) && inner.length > 1);
    return { operands: own, term, bare: asItIs ? only! : null };
  };
  const up = side(right, [...inner, ...out]);
  return { inner, down: side(left, [...inn, ...inner]), up, core: coreOf(up, inner, sliced) };
}

function coreOf(
  { operands, term }: FormSide,
  inner: Letters,
  sliced: (factor: number) => boolean,
): KernelForm['core'] {
  const [middle, last, ...more] = operands;
  if (middle === undefined || last === undefined || more.length > 0 || inner.length !== 1) return null;
  if (sliced(middle) || sliced(last)) return null;
  const [[from, between, ...others], then] = term.operands as readonly [Letters, Letters];
  const chained = from === inner[0] && between !== undefined && others.length === 0;
  return chained && then.join() === [between, ...term.result.slice(1)].join() ? [middle, last] : null;
}

/** The factor by which P = x down is multiplied: where up is computed, it has the scale already. */
export const tokenScale = ({ form, scale }: { readonly form: KernelForm; readonly scale: number }): number =>
  form.up.bare === null ? 1 : scale;
