import { packedAtOnce } from '../plan/vectors.js';
import type {
  EinsumWork,
  Extent,
  Finish,
  Launch,
  MatrixRef,
  Operand,
  Product,
  ReduceJob,
  RowAdapters,
  RowDown,
  RowUp,
  Segment,
  StridedRef,
  TileSchedule,
} from './types.js';

/** Buffers of a plan with float64 contents, whatever their type is. */
export type Memory = Map<string, Float64Array>;

/** Uniforms, and the table of adapters (one row per row block). */
export interface Bound {
  readonly M: number;
  readonly rowBlock?: number;
}

/**
 * Runs a launch on float64 buffers by its definition in kernel/model/types.ts, element by element: no tiles, no schedule. Reads
 * outside a buffer, and reads of what nothing wrote (NaN), show in the result.
 */
export function runLaunch({ work, schedule }: Launch, memory: Memory, bound: Bound): void {
  if (work.kind === 'reduce') for (const job of work.jobs) reduce(job, memory);
  else if (work.kind === 'einsum') sumProducts(work, memory);
  else if (work.kind === 'finish') runFinish(work, memory, bound);
  else if (work.kind === 'product') runProduct(work, schedule, memory, bound);
  else if (work.kind === 'row-down') runRowDown(work, memory, bound);
  else runRowUp(work, memory, bound);
}

/** Which part of a product an element of the inner dimension of a segment belongs to. */
function partsOf(
  { segments, parts }: Product,
  { BK, warps, stages, gemv }: TileSchedule,
  n: (extent: Extent) => number,
) {
  // without matrix units every segment is cut by itself; with them, the tiles of neighbours that are stored alike
  // tiles that pass no ring are cut segment by segment
  if (warps === 0 && stages === 1)
    return segments.map(({ inner, b }) => {
      // a part begins with a word, or with a vector
      const { packed } = b.matrix;
      const least = packed ? (gemv ? packedAtOnce(packed) : 32 / packed.bits) : gemv ? 4 : 1;
      const share = least * Math.ceil(n(inner) / (parts * least));
      return (k: number) => Math.floor(k / share);
    });
  const alike = (one: Segment, other: Segment) =>
    one.a.transposed === other.a.transposed && one.b.transposed === other.b.transposed;
  const tiles = segments.map(({ inner }) => Math.ceil(n(inner) / BK));
  return segments.map((segment, index) => {
    let [first, end] = [index, index + 1];
    while (first > 0 && alike(segments[first - 1]!, segment)) first--;
    while (end < segments.length && alike(segments[end]!, segment)) end++;
    const sum = (from: number, to: number) => tiles.slice(from, to).reduce((all, count) => all + count, 0);
    const share = Math.ceil(sum(first, end) / parts);
    return (k: number) => Math.floor((sum(first, index) + Math.floor(k / BK)) / share);
  });
}

function runFinish(work: Finish, memory: Memory, bound: Bound): void {
  const { partials, parts, cols, epilogue, out } = work;
  const n = (extent: Extent) => (typeof extent === 'number' ? extent : bound.M);
  const rows = n(work.rows);
  const from = memory.get(partials.buffer)!;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      let sum = 0;
      for (let part = 0; part < parts; part++) sum += from[partials.offset + (part * rows + i) * cols + j]!;
      finish({ epilogue, out }, epilogue.scale * sum, [i, j], n, memory);
    }
  }
}

/** Bias, residual, activation and the store of a sum. */
function finish(
  { epilogue, out }: Pick<Product, 'epilogue' | 'out'>,
  scaled: number,
  [i, j]: readonly [number, number],
  n: (extent: Extent) => number,
  memory: Memory,
): void {
  const { bias, residual, activation, accumulate } = epilogue;
  const placeIn = ({ offset, rowStride }: MatrixRef) => offset + i * n(rowStride) + j;
  const read = (buffer: string, at: number) => {
    const value = memory.get(buffer)![at];
    if (value === undefined) throw new Error(`outside of ${buffer}: (${i}, ${j})`);
    return value;
  };
  let value = scaled;
  if (bias) value += read(bias.buffer, bias.offset + j);
  if (residual) value += read(residual.buffer, placeIn(residual));
  if (activation === 'relu') value = Math.max(value, 0);
  else if (activation) throw new Error(`no ${activation} here`);
  const to = memory.get(out.buffer)!;
  if (placeIn(out) >= to.length) throw new Error(`writes outside of ${out.buffer}`);
  to[placeIn(out)] = accumulate ? to[placeIn(out)]! + value : value;
}

function runProduct(work: Product, schedule: TileSchedule, memory: Memory, bound: Bound): void {
  const n = (extent: Extent) => (typeof extent === 'number' ? extent : bound.M);
  const [rows, cols] = [n(work.rows), n(work.cols)];
  /** Reads element (i, j) of an operand, for a row of the result. */
  const reader = ({ matrix, transposed, perRowBlock }: Operand) => {
    const { buffer, offset } = matrix;
    const [data, stride] = [memory.get(buffer), n(matrix.rowStride)];
    const [down, across] = transposed ? [1, stride] : [stride, 1];
    return (i: number, j: number, row: number): number => {
      const block = perRowBlock ? memory.get(perRowBlock.table)![Math.floor(row / bound.rowBlock!)]! : 0;
      const value = data?.[offset + (perRowBlock?.stride ?? 0) * block + i * down + j * across];
      if (value === undefined) throw new Error(`outside of ${buffer}: (${i}, ${j}) from ${offset} on`);
      return value;
    };
  };
  const segments = work.segments.map(({ a, b, inner }) => ({ a: reader(a), b: reader(b), length: n(inner) }));
  const { widen, chain } = work;
  const [down, up] = widen ? [reader(widen.down), reader(widen.up)] : [];
  const chained = chain ? reader(chain) : null;
  const out = memory.get(work.out.buffer)!;
  const cuts = partsOf(work, schedule, n);
  const sumOf = (i: number, j: number, part: number): number => {
    let sum = 0;
    for (const [index, { a, b, length }] of segments.entries()) {
      for (let k = 0; k < length; k++)
        if (work.parts === 1 || cuts[index]!(k) === part) sum += a(i, k, i) * b(k, j, i);
    }
    for (let r = 0; widen && r < widen.rank; r++) {
      let p = 0;
      const { a, length } = segments[0]!;
      for (let k = 0; k < length; k++) p += a(i, k, i) * down!(k, r, i);
      sum += widen.scale * p * up!(r, j, i);
    }
    return sum;
  };
  for (let part = 0; part < work.parts; part++) {
    for (let i = 0; i < rows; i++) {
      const row = Array.from({ length: cols }, (_, j) => sumOf(i, j, part));
      const sums = chained
        ? Array.from({ length: n(work.out.cols) }, (_, j) =>
            row.reduce((sum, value, k) => sum + value * chained(k, j, i), 0),
          )
        : row;
      for (const [j, sum] of sums.entries()) {
        const scaled = work.epilogue.scale * sum;
        if (work.parts > 1) out[work.out.offset + (part * rows + i) * cols + j] = scaled;
        else finish(work, scaled, [i, j], n, memory);
      }
    }
  }
}

function reduce({ partials, parts, elements, out, accumulate }: ReduceJob, memory: Memory): void {
  const [from, to] = [memory.get(partials.buffer)!, memory.get(out.buffer)!];
  for (let i = 0; i < elements; i++) {
    let sum = accumulate ? to[out.offset + i]! : 0;
    for (let part = 0; part < parts; part++) sum += from[partials.offset + part * elements + i]!;
    to[out.offset + i] = sum;
  }
}

function sumProducts({ extents, kept, operands, scale, accumulate, out }: EinsumWork, memory: Memory): void {
  const to = memory.get(out.buffer)!;
  const points = (list: readonly number[]) => list.reduce((all, extent) => all * extent, 1);
  const [results, summed] = [points(extents.slice(0, kept)), points(extents.slice(kept))];
  const data = operands.map(({ buffer }) => memory.get(buffer)!);
  /** Where the n-th point of the index space is in an array. */
  const placeIn = ({ offset, strides }: StridedRef, point: number): number => {
    let [place, rest] = [offset, point];
    for (let axis = extents.length - 1; axis >= 0; axis--) {
      place += (rest % extents[axis]!) * strides[axis]!;
      rest = Math.floor(rest / extents[axis]!);
    }
    return place;
  };
  for (let result = 0; result < results; result++) {
    let sum = 0;
    for (let point = result * summed; operands.length > 0 && point < (result + 1) * summed; point++) {
      let product = 1;
      for (let k = 0; k < operands.length; k++) product *= data[k]![placeIn(operands[k]!, point)]!;
      sum += product;
    }
    const place = placeIn(out, result * summed);
    if (place >= to.length) throw new Error(`writes outside of ${out.buffer}`);
    to[place] = scale * sum + (accumulate ? to[place]! : 0);
  }
}

/** The adapter of a row, with its rank and scale: rank 0 where the row has none, or one that is not complete. */
function adapterOf({ rows, ranks, scales, count, most }: RowAdapters, row: number, memory: Memory) {
  const adapter = memory.get(rows.buffer)![rows.offset + row]!;
  const known = adapter < count;
  const read = (of: { readonly buffer: string; readonly offset: number }) =>
    known ? memory.get(of.buffer)![of.offset + adapter]! : 0;
  return { adapter, rank: Math.min(read(ranks), most), scale: memory.has(scales.buffer) ? read(scales) : 0 };
}

function runRowDown({ rows, inner, downs, of, x, down, out }: RowDown, memory: Memory, bound: Bound): void {
  const n = (extent: Extent) => (typeof extent === 'number' ? extent : bound.M);
  const [xs, matrices, to] = [x, down, out].map(({ buffer }) => memory.get(buffer)!);
  for (let row = 0; row < n(rows); row++) {
    const { adapter, rank } = adapterOf(of, row, memory);
    for (let which = 0; which < downs; which++)
      for (let j = 0; j < of.most; j++) {
        let sum = 0;
        const line = down.offset + ((adapter * downs + which) * of.most + j) * inner;
        for (let i = 0; j < rank && i < inner; i++)
          sum += xs![x.offset + row * n(x.rowStride) + i]! * matrices![line + i]!;
        to![out.offset + row * n(out.rowStride) + which * of.most + j] = sum;
      }
  }
}

function runRowUp(
  { rows, cols, layers, downs, ups, of, p, core, up, out }: RowUp,
  memory: Memory,
  bound: Bound,
): void {
  const n = (extent: Extent) => (typeof extent === 'number' ? extent : bound.M);
  const { most } = of;
  const [sums, matrices, to] = [p, up, out].map(({ buffer }) => memory.get(buffer)!);
  for (let row = 0; row < n(rows); row++) {
    const { adapter, rank, scale } = adapterOf(of, row, memory);
    for (let layer = 0; layer < layers; layer++) {
      const P = (i: number) => sums![p.offset + row * n(p.rowStride) + (downs === 1 ? 0 : layer) * most + i]!;
      const T = Array.from({ length: rank }, (_, j) => {
        if (core === null) return scale * P(j);
        const cores = memory.get(core.buffer)!;
        let sum = 0;
        for (let i = 0; i < rank; i++)
          sum += P(i) * cores[core.offset + ((adapter * layers + layer) * most + i) * most + j]!;
        return scale * sum;
      });
      const first = up.offset + (adapter * ups + (ups === 1 ? 0 : layer)) * most * cols;
      for (let col = 0; col < cols; col++)
        to![out.offset + row * n(out.rowStride) + layer * cols + col] = T.reduce(
          (sum, t, j) => sum + t * matrices![first + j * cols + col]!,
          0,
        );
    }
  }
}
