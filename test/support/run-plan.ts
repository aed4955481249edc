import type {
  EinsumWork,
  Extent,
  KernelPlan,
  Launch,
  Operand,
  Product,
  ReduceJob,
  StridedRef,
} from '../../src/backends/kernel/model/types.js';

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
export function runLaunch({ work }: Launch, memory: Memory, bound: Bound): void {
  if (work.kind === 'reduce') for (const job of work.jobs) reduce(job, memory);
  else if (work.kind === 'einsum') sumProducts(work, memory);
  else runProduct(work, memory, bound);
}

/** All buffers of a plan, poisoned; those that a step clears are zero. */
export function poisoned(plan: KernelPlan): Memory {
  return new Map(
    plan.buffers.map(({ name, shape, cleared }) => {
      const size = shape.reduce<number>(
        (total, extent) => total * (extent === 'M' ? plan.tokens : Number(extent)),
        1,
      );
      return [name, new Float64Array(size).fill(cleared ? 0 : Number.NaN)];
    }),
  );
}

function runProduct(work: Product, memory: Memory, bound: Bound): void {
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
  const before = work.epilogue.residual
    ? reader({ matrix: work.epilogue.residual, transposed: false })
    : null;
  const out = memory.get(work.out.buffer)!;
  const inner = segments.reduce((sum, { length }) => sum + length, 0);
  const share = Math.ceil(inner / work.parts);
  const sumOf = (i: number, j: number, from: number, to: number): number => {
    let [sum, first] = [0, 0];
    for (const { a, b, length } of segments) {
      const end = Math.min(length, to - first);
      for (let k = Math.max(0, from - first); k < end; k++) sum += a(i, k, i) * b(k, j, i);
      first += length;
    }
    for (let r = 0; widen && r < widen.rank; r++) {
      let p = 0;
      const { a, length } = segments[0]!;
      for (let k = 0; k < length; k++) p += a(i, k, i) * down!(k, r, i);
      sum += widen.scale * p * up!(r, j, i);
    }
    return sum;
  };
  const { scale, bias, activation, accumulate } = work.epilogue;
  for (let part = 0; part < work.parts; part++) {
    for (let i = 0; i < rows; i++) {
      const row = Array.from({ length: cols }, (_, j) => sumOf(i, j, part * share, (part + 1) * share));
      const sums = chained
        ? Array.from({ length: n(work.out.cols) }, (_, j) =>
            row.reduce((sum, value, k) => sum + value * chained(k, j, i), 0),
          )
        : row;
      for (const [j, sum] of sums.entries()) {
        let value = scale * sum;
        if (bias) value += memory.get(bias.buffer)![bias.offset + j]!;
        if (before) value += before(i, j, i);
        if (activation === 'relu') value = Math.max(value, 0);
        else if (activation) throw new Error(`no ${activation} here`);
        const at =
          work.parts > 1
            ? work.out.offset + (part * rows + i) * cols + j
            : work.out.offset + i * n(work.out.rowStride) + j;
        if (at >= out.length) throw new Error(`writes outside of ${work.out.buffer}`);
        out[at] = accumulate && work.parts === 1 ? out[at]! + value : value;
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
