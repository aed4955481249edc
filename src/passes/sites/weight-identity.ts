import { sameBytes } from '#platform';
import { toHex } from '../../ir/bytes.js';
import type { Node, Value } from '../../ir/model.js';
import { elementCount } from '../../ir/shape.js';
import type { TensorData } from '../../ir/tensor.js';
import type { Tie } from '../../options/words.js';
import type { SiteCandidate } from './candidates.js';
import { groupBy } from './group-by.js';
import { type Peek, peekInto } from './weight-digest.js';

export type { Tie };

/** A stored matrix as the (in, out) matrix by which a layer multiplies. */
interface Matrix {
  readonly data: TensorData;
  readonly in: number;
  readonly out: number;
  /** stored as (in, out), else as (out, in) */
  readonly rowsAreIn: boolean;
}

/** Layers of one weight. */
export interface TiedSet {
  readonly members: readonly SiteCandidate[];
  /** some members were tied because their contents are equal, not because they read one tensor */
  readonly byContent: boolean;
}

/**
 * Groups adaptable candidates by the (in, out) matrix they multiply by, in the order of their first members. Two are
 * the same when they read one stored tensor the same way round, or when type and contents are equal, directly or
 * transposed. A tensor read both ways round (x W here, x W^T there) is two matrices, hence two sets: they need
 * different corrections. Matrices of equal shape are told apart by up to 64 sampled elements; only those that agree in
 * all of them are read. A matrix whose samples are all one number (fresh zeros or ones) is never tied by content.
 */
export function tieWeights(candidates: readonly SiteCandidate[], tie: Tie = 'content'): readonly TiedSet[] {
  const byTensor = new Map<string, SiteCandidate[]>();
  const ids = new Map<object | null, number>();
  const idOf = (value: object | null): number => {
    const id = ids.get(value) ?? ids.size;
    ids.set(value, id);
    return id;
  };
  for (const candidate of candidates) {
    const { weight, dtype, dequantize } = candidate.stored!;
    const key = `${tensorsOf(weight, dequantize).map(idOf).join()}:${dtype}:${matrixOf(candidate).rowsAreIn}`;
    const set = byTensor.get(key);
    if (set) set.push(candidate);
    else byTensor.set(key, [candidate]);
  }
  const sets = [...byTensor.values()];
  if (tie === 'initializer') return sets.map((members) => ({ members, byContent: false }));
  const merged: { members: SiteCandidate[]; byContent: boolean }[] = [];
  for (const classes of classesByContent(sets)) {
    merged.push({ members: classes.flat(), byContent: classes.length > 1 });
  }
  const order = new Map(candidates.map((candidate, index) => [candidate, index]));
  for (const set of merged) set.members.sort((a, b) => order.get(a)! - order.get(b)!);
  return merged.sort((a, b) => order.get(a.members[0]!)! - order.get(b.members[0]!)!);
}

/** The tensors of a weight: the stored tensor, and with it the scales and zero points of a quantised one. */
function tensorsOf(weight: Value, dequantize: Node | null): readonly (Value | null)[] {
  return dequantize ? [weight, ...dequantize.inputs.slice(1)] : [weight];
}

function matrixOf({ stored, layout, in: inn, out }: SiteCandidate): Matrix {
  return { data: stored!.data, in: inn!, out: out!, rowsAreIn: (layout === 'io') !== stored!.transposed };
}

function classesByContent(
  sets: readonly (readonly SiteCandidate[])[],
): readonly (readonly SiteCandidate[])[][] {
  const result: (readonly SiteCandidate[])[][] = [];
  const buckets = groupBy(sets, ([first]) => {
    const { stored, in: inn, out } = first!;
    return `${stored!.dtype}:${stored!.data.dtype}:${inn}x${out}:${stored!.dequantize !== null}`;
  });
  for (const bucket of buckets.values()) {
    // equal packed numbers are equal weights only under equal scales, which are not compared
    if (bucket[0]![0]!.stored!.dequantize) result.push(...bucket.map((set) => [set]));
    else if (bucket.length === 1) result.push([bucket[0]!]);
    else result.push(...splitByContent(bucket));
  }
  return result;
}

/** Positions tell most matrices apart at once; the later ones are read only for those that still agree. */
const STAGES = [4, 60] as const;

function splitByContent(bucket: readonly (readonly SiteCandidate[])[]): (readonly SiteCandidate[])[][] {
  const result: (readonly SiteCandidate[])[][] = [];
  interface Row {
    readonly set: readonly SiteCandidate[];
    readonly matrix: Matrix;
    readonly peek: Peek;
    readonly samples: string[];
  }
  const rows: Row[] = [];
  for (const set of bucket) {
    const matrix = matrixOf(set[0]!);
    const peek = peekInto(matrix.data);
    if (peek) rows.push({ set, matrix, peek, samples: [] });
    else result.push([set]); // no data to compare
  }
  let open: Row[][] = [rows];
  let done = 0;
  for (const count of STAGES) {
    const next: Row[][] = [];
    for (const group of open) {
      for (const row of group) sample(row.matrix, row.peek, done, count, row.samples);
      for (const same of groupBy(group, ({ samples }) => samples.join()).values()) {
        if (same.length > 1) next.push(same);
        else result.push([same[0]!.set]);
      }
    }
    open = next;
    done += count;
  }
  for (const group of open) {
    if (new Set(group[0]!.samples).size === 1) {
      result.push(...group.map(({ set }) => [set])); // constant as far as seen: equal by accident
      continue;
    }
    const classes: Row[][] = [];
    for (const row of group) {
      const same = classes.find(([first]) => equalMatrices(first!.matrix, row.matrix));
      if (same) same.push(row);
      else classes.push([row]);
    }
    result.push(...classes.map((rows) => rows.map(({ set }) => set)));
  }
  return result;
}

/** Stored data that is the same as another tensor, or its transpose. */
export interface Copy<T> {
  readonly of: T;
  readonly transposed: boolean;
}

/** Whether all elements are one number, as far as 64 samples say. False where the data is not there. */
export function isOneNumber(data: TensorData): boolean {
  const elements = elementCount(data.shape);
  const samples = samplesOf({ data, in: 1, out: elements, rowsAreIn: true });
  return samples !== null && new Set(samples).size === 1;
}

/** All samples of a matrix; null where its data is not there. */
function samplesOf(matrix: Matrix): readonly string[] | null {
  const peek = matrix.data.byteLength > 0 ? peekInto(matrix.data) : null;
  if (!peek) return null;
  const samples: string[] = [];
  sample(matrix, peek, 0, STAGES[0] + STAGES[1], samples);
  return samples;
}

/**
 * Which of `others` hold the elements of `data`: in the same shape or, for matrices, transposed. As for layers, a tensor
 * whose samples are all one number is equal to no other.
 */
export function copiesOf<T extends { readonly data: TensorData }>(
  data: TensorData,
  others: readonly T[],
): readonly Copy<T>[] {
  const [rows, columns] =
    data.shape.length === 2 ? (data.shape as [number, number]) : [1, elementCount(data.shape)];
  const own: Matrix = { data, in: rows, out: columns, rowsAreIn: true };
  const fits = others.flatMap((of): { of: T; matrix: Matrix; transposed: boolean }[] => {
    if (of.data.dtype !== data.dtype || of.data.byteLength !== data.byteLength) return [];
    const same = `${of.data.shape}` === `${data.shape}`;
    const flipped = data.shape.length === 2 && `${of.data.shape}` === `${data.shape.toReversed()}`;
    return [
      ...(same ? [{ of, matrix: { ...own, data: of.data }, transposed: false }] : []),
      ...(flipped ? [{ of, matrix: { ...own, data: of.data, rowsAreIn: false }, transposed: true }] : []),
    ];
  });
  if (fits.length === 0 || data.byteLength === 0) return [];
  const samples = samplesOf(own);
  if (!samples || new Set(samples).size === 1) return [];
  const found = new Map<T, Copy<T>>();
  for (const { of, matrix, transposed } of fits) {
    if (found.has(of) || samplesOf(matrix)?.join() !== samples.join()) continue;
    if (equalMatrices(own, matrix)) found.set(of, { of, transposed });
  }
  return [...found.values()];
}

/** Appends elements number `from` to `from + count` of a fixed sequence of positions, as hex. */
function sample(matrix: Matrix, peek: Peek, from: number, count: number, into: string[]): void {
  const total = matrix.in * matrix.out;
  const width = matrix.data.byteLength / total;
  for (let k = from; k < from + count; k++) {
    // multiples of the golden ratio: spread evenly, and not in step with rows or columns
    const at = Math.min(total - 1, Math.floor(total * ((k * 0.6180339887498949) % 1)));
    const row = Math.floor(at / matrix.out);
    const column = at % matrix.out;
    const index = matrix.rowsAreIn ? at : column * matrix.in + row;
    into.push(toHex(peek(index * width, width)));
  }
}

function equalMatrices(a: Matrix, b: Matrix): boolean {
  const placeA = a.data.origin;
  const placeB = b.data.origin;
  if (a.rowsAreIn === b.rowsAreIn) {
    if (a.data === b.data) return true;
    if (placeA.kind === 'file' && placeB.kind === 'file') {
      if (placeA.path === placeB.path && placeA.offset === placeB.offset) return true;
    }
    return equalBytes(a.data, b.data);
  }
  return a.rowsAreIn ? equalTransposed(a, b) : equalTransposed(b, a);
}

const CHUNK = 4 << 20;

function equalBytes(a: TensorData, b: TensorData): boolean {
  const readA = peekInto(a);
  const readB = peekInto(b);
  if (!readA || !readB) return false;
  for (let done = 0; done < a.byteLength; done += CHUNK) {
    const length = Math.min(CHUNK, a.byteLength - done);
    if (!sameBytes(readA(done, length), readB(done, length))) return false;
  }
  return true;
}

/** Compares a matrix stored as (in, out) with one stored as (out, in), in bands of rows of the first. */
function equalTransposed(io: Matrix, oi: Matrix): boolean {
  const readA = peekInto(io.data);
  const readB = peekInto(oi.data);
  if (!readA || !readB) return false;
  const width = io.data.byteLength / (io.in * io.out);
  const band = Math.max(1, Math.floor((16 << 20) / (io.out * width)));
  for (let top = 0; top < io.in; top += band) {
    const rows = Math.min(band, io.in - top);
    const block = readA(top * io.out * width, rows * io.out * width);
    for (let column = 0; column < io.out; column++) {
      const strip = readB((column * oi.in + top) * width, rows * width);
      for (let row = 0; row < rows; row++) {
        for (let byte = 0; byte < width; byte++) {
          if (block[(row * io.out + column) * width + byte] !== strip[row * width + byte]) return false;
        }
      }
    }
  }
  return true;
}
