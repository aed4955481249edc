import type { Letters, Term } from '../../../adapter/terms.js';
import { weightSteps } from '../../../adapter/weight-steps.js';
import type { Extent, Launch, MatrixRef, Operand, StridedRef } from '../model/types.js';
import { einsumLaunch, productLaunch, type Target } from './launches.js';
import { type Lettered, SITES } from './lettered.js';

/** An array that a term reads, with what it is called in texts. */
export interface NamedArray {
  readonly value: Lettered;
  readonly name: string;
}

/** A term of weight space and everything that its launches need. */
export interface TermRequest {
  readonly term: Term;
  /** one for each operand of the term */
  readonly operands: readonly NamedArray[];
  readonly out: Lettered;
  readonly extent: (letter: string) => number;
  readonly scale: number;
  readonly accumulate: boolean;
  /** of the last launch */
  readonly name: string;
  /** what the last launch makes: "L' = s " goes before the product */
  readonly makes: string;
  /** follows the product */
  readonly where: string;
  /** room for a result on the way, its name, and that of its launch */
  between(letters: Letters): NamedArray & { readonly launch: string };
}

/**
 * The launches that compute a term, in its cheapest order: a product of matrices where a step is one, with all sites in one
 * where they lie one after another, else an einsum.
 */
export function termLaunches(target: Target, request: TermRequest): readonly Launch[] {
  const { term, operands, extent, out } = request;
  const steps = weightSteps(term, extent);
  const made: NamedArray[] = [];
  return steps.map(({ parts, result }, index) => {
    const own = parts.map((part) => ('operand' in part ? operands[part.operand]! : made[part.step]!));
    const last = index === steps.length - 1;
    const room = last ? null : request.between(result);
    if (room) made.push(room);
    const step: Step = {
      operands: own,
      out: room?.value ?? out,
      extent,
      name: room?.launch ?? request.name,
      makes: room ? `${room.name} = ` : request.makes,
      where: request.where,
      epilogue: room
        ? { scale: 1, accumulate: false }
        : { scale: request.scale, accumulate: request.accumulate },
    };
    return productOf(target, step) ?? einsumOf(target, step);
  });
}

interface Step extends Pick<TermRequest, 'extent' | 'out' | 'name' | 'makes' | 'where'> {
  readonly operands: readonly NamedArray[];
  readonly epilogue: { readonly scale: number; readonly accumulate: boolean };
}

/** The step as one product of two matrices; null where it is none, as the arrays lie in memory. */
function productOf(target: Target, step: Step): Launch | null {
  const { out, extent, epilogue } = step;
  const [one, two, ...more] = step.operands;
  if (!one || !two || more.length > 0) return null;
  const [a, b] = one.value.letters.includes(out.letters[0]!) ? [one, two] : [two, one];
  const has = ({ value }: NamedArray, letter: string) => value.letters.includes(letter);
  const rows = out.letters.filter((letter) => has(a, letter) && !has(b, letter));
  const cols = out.letters.filter((letter) => has(b, letter) && !has(a, letter));
  const inner = a.value.letters.filter((letter) => has(b, letter));
  const whole = [rows, cols, inner].every((letters) => letters.length > 0);
  if (!whole || rows.length + cols.length < out.letters.length) return null;
  if (inner.some((letter) => out.letters.includes(letter))) return null;
  const [left, right, to] = [
    matrixOf(a.value, rows, inner, extent),
    matrixOf(b.value, inner, cols, extent),
    matrixOf(out, rows, cols, extent),
  ];
  if (!left || !right || !to || to.transposed) return null;
  const text = ({ name }: NamedArray, { transposed }: Operand) => `${name}${transposed ? '^T' : ''}`;
  const sums = inner.includes(SITES) ? 'sum of ' : '';
  return productLaunch(target, {
    name: step.name,
    family: 'rankBatched',
    does: `${step.makes}${sums}${text(a, left)} ${text(b, right)}${step.where}`,
    rows: to.matrix.rows,
    cols: to.matrix.cols,
    segments: [{ a: left, b: right, inner: sizeOf(inner, extent) }],
    epilogue,
    out: to.matrix,
  });
}

const sizeOf = (letters: Letters, extent: (letter: string) => number): number =>
  letters.reduce((all, letter) => all * extent(letter), 1);

/** An array as a matrix over two groups of its axes, or its transpose; null where it is neither in memory. */
function matrixOf(
  { buffer, dtype, offset, letters, strides }: Lettered,
  rows: Letters,
  cols: Letters,
  extent: (letter: string) => number,
): Operand | null {
  if (rows.length + cols.length !== letters.length) return null;
  const strideOf = (letter: string) => strides[letters.indexOf(letter)]!;
  const together = (group: Letters) =>
    group.every(
      (letter, k) =>
        k === group.length - 1 || strideOf(letter) === strideOf(group[k + 1]!) * extent(group[k + 1]!),
    );
  if (!together(rows) || !together(cols)) return null;
  const [down, across] = [strideOf(rows.at(-1)!), strideOf(cols.at(-1)!)];
  if (down !== 1 && across !== 1) return null;
  const stored = (own: Letters, other: Letters, rowStride: Extent): MatrixRef => ({
    buffer,
    dtype,
    rows: sizeOf(own, extent),
    cols: sizeOf(other, extent),
    offset,
    rowStride,
  });
  // one row or one column is both: then as its axes lie
  const inOrder = letters.indexOf(rows.at(-1)!) < letters.indexOf(cols.at(-1)!);
  return across === 1 && (inOrder || down !== 1)
    ? { matrix: stored(rows, cols, down), transposed: false }
    : { matrix: stored(cols, rows, across), transposed: true };
}

function einsumOf(target: Target, { operands, out, extent, epilogue, ...step }: Step): Launch {
  const summed = [...new Set(operands.flatMap(({ value }) => value.letters))].filter(
    (letter) => !out.letters.includes(letter),
  );
  // neighbours in the largest operand are summed one after another
  const size = ({ value }: NamedArray) => sizeOf(value.letters, extent);
  const largest = [...operands].sort((a, b) => size(b) - size(a))[0]?.value;
  const strideIn = (letter: string) =>
    largest?.strides[largest.letters.indexOf(letter)] ?? Number.POSITIVE_INFINITY;
  summed.sort((a, b) => strideIn(b) - strideIn(a));
  const axes = [...out.letters, ...summed];
  const strided = ({ buffer, dtype, offset, letters, strides }: Lettered): StridedRef => ({
    buffer,
    dtype,
    offset,
    strides: axes.map((letter) => strides[letters.indexOf(letter)] ?? 0),
  });
  const sums = summed.length > 0 ? 'sum of ' : '';
  return einsumLaunch(target, {
    name: step.name,
    does: `${step.makes}${sums}${operands.map(({ name }) => name).join(' * ')}${step.where}`,
    extents: axes.map(extent),
    kept: out.letters.length,
    operands: operands.map(({ value }) => strided(value)),
    ...epilogue,
    out: strided(out),
  });
}
