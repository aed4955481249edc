import { type DeltaTerm, splitAtInput } from '../terms.js';
import { evaluateTerm, type Numbers } from './term.js';

/** In and out of a layer. */
export interface WeightExtents {
  readonly in: number;
  readonly out: number;
}

/** D as the product of two matrices, left (rows, inner) and right (inner, columns), or as one matrix. */
export interface DeltaParts {
  readonly left: Numbers | null;
  readonly right: Numbers;
}

/**
 * D for such factors, or its transpose: as two matrices where the delta splits, so that none of the size of the weight is
 * made. `extents`: in and out of the layer, which a delta may only repeat values along.
 */
export function deltaParts(
  term: DeltaTerm,
  factors: readonly Numbers[],
  transposed: boolean,
  extents: WeightExtents,
): DeltaParts {
  const split = splitAtInput(term);
  if (!split) return { left: null, right: turned(wholeDelta(term, factors, extents), transposed) };
  const first = factors[split.first]!;
  const { data } = evaluateTerm(
    split.rest,
    split.others.map((k) => factors[k]!),
    absentExtents(term, factors, extents),
  );
  const rest = { shape: [first.shape[1]!, extents.out], data };
  return transposed ? { left: turned(rest, true), right: turned(first, true) } : { left: first, right: rest };
}

/** D for such factors, (in, out). */
export function wholeDelta(term: DeltaTerm, factors: readonly Numbers[], extents: WeightExtents): Numbers {
  const { data } = evaluateTerm(term, factors, absentExtents(term, factors, extents));
  return { shape: [extents.in, extents.out], data };
}

/** Extents of the letters of the result that no factor has, along which values repeat: at most one for each axis. */
function absentExtents(
  { operands, in: inn, out }: DeltaTerm,
  factors: readonly Numbers[],
  extents: WeightExtents,
): Readonly<Record<string, number>> {
  const held = new Map(
    operands.flatMap((letters, k) =>
      letters.map((letter, axis) => [letter, factors[k]!.shape[axis]!] as const),
    ),
  );
  const absent = ([letters, whole]: readonly [readonly string[], number]) => {
    const rest = letters.reduce((product, letter) => product * (held.get(letter) ?? 1), 1);
    return letters.filter((letter) => !held.has(letter)).map((letter) => [letter, whole / rest] as const);
  };
  return Object.fromEntries(
    (
      [
        [inn, extents.in],
        [out, extents.out],
      ] as const
    ).flatMap(absent),
  );
}

function turned({ shape, data }: Numbers, transposed: boolean): Numbers {
  if (!transposed) return { shape, data };
  const [rows, columns] = [shape[0]!, shape[1]!];
  const out = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!;
  return { shape: [columns, rows], data: out };
}
