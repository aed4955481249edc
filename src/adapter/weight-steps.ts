import { type Contraction, contractionOf } from './contraction.js';
import type { Letters, Term } from './terms.js';

/** An operand of a step: one of the term, or the result of an earlier step. */
type StepPart = { readonly operand: number } | { readonly step: number };

/** One sum of products on the way to the value of a term. */
export interface TermStep {
  readonly parts: readonly StepPart[];
  /** of each part */
  readonly letters: readonly Letters[];
  readonly result: Letters;
}

/** Operands of one step: with the result as many as a kernel may bind where it may bind few. */
const MOST = 7;

/**
 * The steps that compute a term in its cheapest order, the last of which gives its value. A product number by number is
 * not a step of its own where the step that takes it has the same points or sums nothing: then it takes the numbers as
 * they are.
 */
export function weightSteps(term: Term, extent: (letter: string) => number): readonly TermStep[] {
  const steps: TermStep[] = [];
  const add = (operands: readonly Contraction[], result: Letters): StepPart => {
    const parts = operands.map((tree) => ('operand' in tree ? { operand: tree.operand } : made(tree)));
    steps.push({ parts, letters: operands.map(({ letters }) => letters), result });
    return { step: steps.length - 1 };
  };
  const made = (tree: Contraction): StepPart => add(together(tree, MOST), tree.letters);
  const { tree } = contractionOf(term, extent);
  add(together(tree, MOST), term.result);
  return steps;
}

/** The operands whose products, summed at once, are the value of a tree. */
function together(tree: Contraction, room: number): readonly Contraction[] {
  if ('operand' in tree) return [tree];
  const points = pointsOf(tree);
  const sums = points.size > tree.letters.length;
  const taken = (part: Contraction, left: number): readonly Contraction[] => {
    if ('operand' in part) return [part];
    const own = pointsOf(part);
    if (own.size > part.letters.length || (sums && own.size < points.size)) return [part];
    const operands = together(part, left);
    return operands.length <= left ? operands : [part];
  };
  const first = taken(tree.left, room - 1);
  return [...first, ...taken(tree.right, room - first.length)];
}

/** The letters of the points that a tree sums or keeps in its last product. */
const pointsOf = (tree: Contraction): ReadonlySet<string> =>
  new Set('operand' in tree ? tree.letters : [...tree.left.letters, ...tree.right.letters]);
