import type { DeltaTerm, Letters, Term } from './terms.js';

/** Operands up to which every order is tried. */
const EXACT = 8;

/** An order of pairwise products that computes a term: a tree over its operands. */
export type Contraction =
  | { readonly operand: number; readonly letters: Letters }
  | { readonly left: Contraction; readonly right: Contraction; readonly letters: Letters };

/** What a contraction costs: two operations per point of the index space of every product. */
export interface Priced {
  readonly tree: Contraction;
  readonly flops: number;
  /** elements of the largest value between operands and result */
  readonly largest: number;
}

/**
 * The cheapest order of pairwise products for a term, by floating-point operations and then by the largest value between;
 * of equal orders the one that goes through the operands from the left. All orders are tried for up to eight operands;
 * more are taken from the left. A letter leaves with the last operand that has it, unless the result has it.
 */
export function contractionOf(term: Term, extent: (letter: string) => number): Priced {
  const { operands, result } = term;
  const all = (1 << operands.length) - 1;
  const lettersOf = (set: number): Letters => {
    const inside = operands.filter((_, k) => (set >> k) & 1);
    const outside = [...operands.filter((_, k) => !((set >> k) & 1)), result];
    const here = [...new Set(inside.flat())];
    if (set === all) return result.filter((letter) => here.includes(letter));
    return here.filter((letter) => outside.some((letters) => letters.includes(letter)));
  };
  const volume = (letters: Iterable<string>): number => {
    let points = 1;
    for (const letter of letters) points *= extent(letter);
    return points;
  };
  const pair = (left: Priced, right: Priced, letters: Letters): Priced => ({
    tree: { left: left.tree, right: right.tree, letters },
    flops: left.flops + right.flops + 2 * volume(new Set([...left.tree.letters, ...right.tree.letters])),
    largest: Math.max(left.largest, right.largest, volume(letters)),
  });
  const leaves = operands.map(
    (letters, operand): Priced => ({ tree: { operand, letters }, flops: 0, largest: 0 }),
  );
  if (operands.length > EXACT) {
    let set = 1;
    return leaves.reduce((acc, leaf, k) => {
      set |= 1 << k;
      return pair(acc, leaf, lettersOf(set));
    });
  }
  const best = new Map<number, Priced>(leaves.map((leaf, k) => [1 << k, leaf]));
  for (let set = 1; set <= all; set++) {
    if (best.has(set)) continue;
    const letters = lettersOf(set);
    const lowest = set & -set;
    // the left part has the first operand; the largest left part, which leaves the last operand, is tried first
    for (let part = (set - 1) & set; part > 0; part = (part - 1) & set) {
      if (!(part & lowest)) continue;
      const made = pair(best.get(part)!, best.get(set ^ part)!, letters);
      const held = best.get(set);
      if (!held || made.flops < held.flops || (made.flops === held.flops && made.largest < held.largest))
        best.set(set, made);
    }
  }
  return best.get(all)!;
}

/** Numbers of the operands under a part of a contraction, in order. */
export function operandsUnder(tree: Contraction): readonly number[] {
  if ('operand' in tree) return [tree.operand];
  return [...operandsUnder(tree.left), ...operandsUnder(tree.right)].sort((a, b) => a - b);
}

/** Extents of the letters of a delta by which orders are priced where the real ones are not known: wide layers, small ranks. */
export function usualExtent({ in: inn, out }: DeltaTerm): (letter: string) => number {
  return (letter) => (inn.includes(letter) || out.includes(letter) ? 1024 : 16);
}
