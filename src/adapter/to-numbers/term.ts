import { type Contraction, contractionOf } from '../contraction.js';
import type { Letters, Term } from '../terms.js';

/** A dense array of float64, row by row. */
export interface Numbers {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/**
 * The value of a term for such operands, in float64 by its cheapest order. `extents`: those of letters that only the result
 * has, along which values repeat.
 */
export function evaluateTerm(
  term: Term,
  operands: readonly Numbers[],
  extents: Readonly<Record<string, number>> = {},
): Numbers {
  const known = new Map<string, number>(Object.entries(extents));
  for (const [k, letters] of term.operands.entries()) {
    for (const [axis, letter] of letters.entries()) known.set(letter, operands[k]!.shape[axis]!);
  }
  const extent = (letter: string): number => known.get(letter)!;
  const walk = (tree: Contraction): Lettered => {
    if ('operand' in tree) return { letters: tree.letters, data: operands[tree.operand]!.data };
    return multiply(walk(tree.left), walk(tree.right), tree.letters, extent);
  };
  const made = walk(contractionOf(term, extent).tree);
  return { shape: term.result.map(extent), data: arranged(made, term.result, extent) };
}

interface Lettered {
  readonly letters: Letters;
  readonly data: Float64Array;
}

type Extent = (letter: string) => number;

const volume = (letters: Letters, extent: Extent): number =>
  letters.reduce((points, letter) => points * extent(letter), 1);

/** Two values as a batch of matrix products: batch, rows, inner and inner, columns. */
function multiply(a: Lettered, b: Lettered, kept: Letters, extent: Extent): Lettered {
  const both = a.letters.filter((letter) => b.letters.includes(letter));
  const batch = both.filter((letter) => kept.includes(letter));
  const inner = both.filter((letter) => !kept.includes(letter));
  const [rows, columns] = [a, b].map(({ letters }) => letters.filter((letter) => !both.includes(letter))) as [
    string[],
    string[],
  ];
  const left = arranged(a, [...batch, ...rows, ...inner], extent);
  const right = arranged(b, [...batch, ...inner, ...columns], extent);
  const [count, height, depth, width] = [batch, rows, inner, columns].map((letters) =>
    volume(letters, extent),
  ) as [number, number, number, number];
  const data = new Float64Array(count * height * width);
  for (let n = 0; n < count; n++) {
    for (let i = 0; i < height; i++) {
      const row = data.subarray((n * height + i) * width, (n * height + i + 1) * width);
      for (let k = 0; k < depth; k++) {
        const factor = left[(n * height + i) * depth + k]!;
        const start = (n * depth + k) * width;
        for (let j = 0; j < width; j++) row[j] = row[j]! + factor * right[start + j]!;
      }
    }
  }
  return { letters: [...batch, ...rows, ...columns], data };
}

/** The values with their axes in another order; values repeat along letters that they lack. */
function arranged({ letters, data }: Lettered, wanted: Letters, extent: Extent): Float64Array {
  if (letters.join() === wanted.join()) return data;
  const own = new Map<string, number>();
  let step = 1;
  for (const letter of [...letters].reverse()) {
    own.set(letter, step);
    step *= extent(letter);
  }
  const shape = wanted.map(extent);
  const strides = wanted.map((letter) => own.get(letter) ?? 0);
  const out = new Float64Array(volume(wanted, extent));
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let at = 0; at < out.length; at++) {
    out[at] = data[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
