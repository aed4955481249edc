import type {
  EinsumWork,
  Extent,
  KernelPlan,
  Launch,
  MatrixRef,
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
  const element = (
    { matrix, transposed, perRowBlock }: Operand,
    i: number,
    j: number,
    row: number,
  ): number => {
    const [a, b] = transposed ? [j, i] : [i, j];
    const block = perRowBlock ? memory.get(perRowBlock.table)![Math.floor(row / bound.rowBlock!)]! : 0;
    return read(matrix, (perRowBlock?.stride ?? 0) * block, a, b);
  };
  const read = ({ buffer, offset, rowStride }: MatrixRef, shift: number, i: number, j: number): number => {
    const value = memory.get(buffer)?.[offset + shift + i * n(rowStride) + j];
    if (value === undefined) throw new Error(`outside of ${buffer}: (${i}, ${j}) at ${offset + shift}`);
    return value;
  };
  const out = memory.get(work.out.buffer)!;
  const inner = work.segments.reduce((sum, segment) => sum + n(segment.inner), 0);
  const share = Math.ceil(inner / work.parts);
  const sumOf = (i: number, j: number, from: number, to: number): number => {
    let [sum, at] = [0, 0];
    for (const { a, b, inner: length } of work.segments) {
      for (let k = 0; k < n(length); k++, at++) {
        if (at >= from && at < to) sum += element(a, i, k, i) * element(b, k, j, i);
      }
    }
    const { widen } = work;
    for (let r = 0; widen && r < widen.rank; r++) {
      let p = 0;
      const { a, inner: length } = work.segments[0]!;
      for (let k = 0; k < n(length); k++) p += element(a, i, k, i) * element(widen.down, k, r, i);
      sum += widen.scale * p * element(widen.up, r, j, i);
    }
    return sum;
  };
  const { scale, bias, residual, activation, accumulate } = work.epilogue;
  for (let part = 0; part < work.parts; part++) {
    for (let i = 0; i < rows; i++) {
      const row = Array.from({ length: cols }, (_, j) => sumOf(i, j, part * share, (part + 1) * share));
      const { chain } = work;
      const sums = chain
        ? Array.from({ length: n(work.out.cols) }, (_, j) =>
            row.reduce((sum, value, k) => sum + value * element(chain, k, j, i), 0),
          )
        : row;
      for (const [j, sum] of sums.entries()) {
        let value = scale * sum;
        if (bias) value += memory.get(bias.buffer)![bias.offset + j]!;
        if (residual) value += read(residual, 0, i, j);
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
  const placeIn = ({ offset, strides }: StridedRef, at: readonly number[]) =>
    at.reduce((place, index, axis) => place + index * strides[axis]!, offset);
  const visit = (at: readonly number[], end: number, each: (at: readonly number[]) => void): void => {
    if (at.length === end) each(at);
    else for (let index = 0; index < extents[at.length]!; index++) visit([...at, index], end, each);
  };
  visit([], kept, (result) => {
    let sum = 0;
    visit(result, extents.length, (at) => {
      const factors = operands.map((one) => memory.get(one.buffer)![placeIn(one, at)]!);
      if (factors.length > 0) sum += factors.reduce((a, b) => a * b);
    });
    const place = placeIn(out, result);
    if (place >= to.length) throw new Error(`writes outside of ${out.buffer}`);
    to[place] = scale * sum + (accumulate ? to[place]! : 0);
  });
}
