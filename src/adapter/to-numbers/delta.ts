import { type DeltaTerm, splitAtInput } from '../terms.js';
import { evaluateTerm, type Numbers } from './term.js';

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
  extents: { readonly in: number; readonly out: number },
): DeltaParts {
  const split = splitAtInput(term);
  if (!split) return { left: null, right: turned(wholeDelta(term, factors, extents), transposed) };
  const first = factors[split.first]!;
  const { data } = evaluateTerm(
    split.rest,
    split.others.map((k) => factors[k]!),
  );
  const rest = { shape: [first.shape[1]!, extents.out], data };
  return transposed ? { left: turned(rest, true), right: turned(first, true) } : { left: first, right: rest };
}

/** D for such factors, (in, out). */
export function wholeDelta(
  term: DeltaTerm,
  factors: readonly Numbers[],
  extents: { readonly in: number; readonly out: number },
): Numbers {
  const repeated = {
    ...(term.in.length === 1 ? { [term.in[0]!]: extents.in } : {}),
    ...(term.out.length === 1 ? { [term.out[0]!]: extents.out } : {}),
  };
  const { data } = evaluateTerm(term, factors, repeated);
  return { shape: [extents.in, extents.out], data };
}

function turned({ shape, data }: Numbers, transposed: boolean): Numbers {
  if (!transposed) return { shape, data };
  const [rows, columns] = [shape[0]!, shape[1]!];
  const out = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!;
  return { shape: [columns, rows], data: out };
}
