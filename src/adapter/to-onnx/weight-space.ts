import { type Attr, attrInt, attrInts, attrString } from '../../ir/attr.js';
import type { Value } from '../../ir/model.js';
import { type Contraction, contractionOf, operandsUnder } from '../contraction.js';
import type { Letters, Term } from '../terms.js';

/** Makes nodes over factors and what follows from them, of static or symbolic extents. */
export interface NodeMaker {
  readonly opset: number;
  node(op: string, inputs: readonly Value[], attrs: Readonly<Record<string, Attr>>, name: string): Value;
  /** int64 numbers that nodes read, as a vector */
  integers(values: readonly number[]): Value;
}

/** A value and the letters of its axes. */
interface Lettered {
  readonly value: Value;
  readonly letters: Letters;
}

/** How the product of these operands is called; `whole`: they are all of the term. */
export type NameOf = (operands: readonly number[], whole: boolean) => string;

/**
 * The nodes that compute a term from the values of its operands, in the cheapest order for such extents: products of
 * matrices as MatMul and Gemm, products number by number as Mul, all others as Einsum. The result's axes are in the order of
 * the term; letters that only the result has are axes of extent 1.
 */
export function emitTerm(
  make: NodeMaker,
  term: Term,
  values: readonly Value[],
  extent: (letter: string) => number,
  nameOf: NameOf,
): Value {
  const whole = contractionOf(term, extent).tree;
  const walk = (tree: Contraction): Lettered => {
    if ('operand' in tree) return { value: values[tree.operand]!, letters: tree.letters };
    const name = nameOf(operandsUnder(tree), tree === whole);
    return pair(make, walk(tree.left), walk(tree.right), tree.letters, name);
  };
  const name = nameOf(operandsUnder(whole), true);
  return aligned(make, walk(whole), term.result, name, true).value;
}

/** The product of two values, summed over the letters that are not kept. The order of its letters is the cheapest one. */
function pair(make: NodeMaker, a: Lettered, b: Lettered, kept: Letters, name: string): Lettered {
  const both = a.letters.filter((letter) => b.letters.includes(letter));
  const inner = both.filter((letter) => !kept.includes(letter));
  if (inner.length === 0) return elementwise(make, a, b, kept, name);
  const matrices = a.letters.length === 2 && b.letters.length === 2 && both.length === 1;
  if (matrices) {
    const [row] = kept;
    return a.letters.includes(row!)
      ? product(make, a, b, inner[0]!, name)
      : product(make, b, a, inner[0]!, name);
  }
  const vector = [a, b].find(({ letters }) => letters.length === 1);
  const matrix = vector === a ? b : a;
  if (vector && matrix.letters.length === 2) {
    const [row, column] = matrix.letters as [string, string];
    const inputs = column === inner[0] ? [matrix.value, vector.value] : [vector.value, matrix.value];
    return { value: make.node('MatMul', inputs, {}, name), letters: [column === inner[0] ? row : column] };
  }
  const equation = `${a.letters.join('')},${b.letters.join('')}->${kept.join('')}`;
  const value = make.node('Einsum', [a.value, b.value], { equation: attrString(equation) }, name);
  return { value, letters: kept };
}

/** The product of two matrices over one letter. */
function product(make: NodeMaker, a: Lettered, b: Lettered, over: string, name: string): Lettered {
  const [flipA, flipB] = [a.letters[0] === over, b.letters[1] === over];
  const letters = [a.letters[flipA ? 1 : 0]!, b.letters[flipB ? 0 : 1]!];
  const attrs = { ...(flipA ? { transA: attrInt(1) } : {}), ...(flipB ? { transB: attrInt(1) } : {}) };
  const op = flipA || flipB ? 'Gemm' : 'MatMul';
  return { value: make.node(op, [a.value, b.value], attrs, name), letters };
}

/** The product number by number, with axes repeated where one of the two lacks them. */
function elementwise(make: NodeMaker, a: Lettered, b: Lettered, kept: Letters, name: string): Lettered {
  const holds = (whole: Lettered, part: Lettered) =>
    part.letters.every((letter) => whole.letters.includes(letter));
  const letters = holds(a, b) ? a.letters : holds(b, a) ? b.letters : kept;
  const [left, right] = [a, b].map((each) => aligned(make, each, letters, name, false)) as [
    Lettered,
    Lettered,
  ];
  return { value: make.node('Mul', [left.value, right.value], {}, name), letters };
}

/** The value with its axes in the order of `letters` and axes of extent 1 for those it lacks; `leading`: for the first too. */
function aligned(
  make: NodeMaker,
  given: Lettered,
  letters: Letters,
  name: string,
  leading: boolean,
): Lettered {
  let { value } = given;
  const own = letters.filter((letter) => given.letters.includes(letter));
  if (own.join() !== given.letters.join()) {
    const perm = attrInts(own.map((letter) => given.letters.indexOf(letter)));
    value = make.node('Transpose', [value], { perm }, `${name}/T`);
  }
  const from = leading ? 0 : letters.findIndex((letter) => own.includes(letter));
  const missing = letters.slice(from).flatMap((letter, axis) => (own.includes(letter) ? [] : [axis]));
  if (missing.length > 0) {
    value =
      make.opset < 13
        ? make.node('Unsqueeze', [value], { axes: attrInts(missing) }, `${name}/wide`)
        : make.node('Unsqueeze', [value, make.integers(missing)], {}, `${name}/wide`);
  }
  return { value, letters };
}
