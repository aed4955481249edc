import type { BufferPlan, Launch, MatrixRef, Operand, Product, Segment } from '../../kernel/model/types.js';
import { ELEMENT_BYTES, lengthOf } from '../../kernel/plan/cost.js';
import { dense } from '../../kernel/plan/launches.js';
import { priced } from '../../kernel/plan/price.js';
import { PLACED } from '../shared/kernels.js';
import type { Planned } from '../shared/lower.js';

/** What a product adds up before its last slice. */
const SUMS = 'sums_of_slices';

/**
 * Products with a matrix that is larger than what a device binds at once become several, each of which is given some of its rows: those
 * along the rows or columns of the result write parts of it, those along the inner dimension add to sums, of which the last one makes the
 * result. A merged or chained launch stays as it is: its module asks for a device that binds more.
 */
export class WeightSlices {
  #perToken = 0;

  constructor(readonly planned: Planned) {}

  of(launch: Launch): readonly Launch[] {
    const { work } = launch;
    if (work.kind !== 'product' || work.widen || work.chain || work.parts > 1) return [launch];
    const works = this.#cut(work);
    if (works.length === 1) return [launch];
    return works.map((part, n) => {
      const last = n === works.length - 1;
      const slice = {
        ...launch,
        name: last ? launch.name : `${launch.name}_slice_${n + 1}`,
        work: part,
        does: `${launch.does} (slice ${n + 1} of ${works.length})`,
      };
      return priced(slice, this.planned);
    });
  }

  /** The memory for sums. */
  buffers(): readonly BufferPlan[] {
    if (this.#perToken === 0) return [];
    return [{ name: SUMS, dtype: 'f32', shape: ['M', this.#perToken], life: 'scratch' }];
  }

  #cut(work: Product): readonly Product[] {
    const { segments, epilogue, out } = work;
    const { residual } = epilogue;
    const b = (transposed: boolean) => segments.filter((one) => one.b.transposed === transposed);
    const along = (matrices: readonly MatrixRef[], part: typeof ofRows): readonly Product[] | null => {
      const shares = matrices.map((matrix) => this.#shares(matrix));
      const most = shares.reduce((a, one) => (one.length > a.length ? one : a), []);
      return most.length < 2 ? null : most.flatMap(([from, to]) => this.#cut(part(work, from, to)));
    };
    const rows = [out, ...(residual ? [residual] : [])];
    return (
      along(rows, ofRows) ??
      along(
        b(true).map((one) => one.b.matrix),
        ofCols,
      ) ??
      this.#alongInner(work)
    );
  }

  #alongInner(work: Product): readonly Product[] {
    const pieces: Segment[] = [];
    const whole: Segment[] = [];
    for (const segment of work.segments) {
      const shares = segment.b.transposed ? [] : this.#shares(segment.b.matrix);
      if (shares.length < 2) whole.push(segment);
      else pieces.push(...shares.map(([from, to]) => ofInner(segment, from, to)));
    }
    if (pieces.length === 0 || typeof work.rows === 'number') return [work];
    const cols = lengthOf(work.cols, {});
    this.#perToken = Math.max(this.#perToken, cols);
    const sums = dense(SUMS, 'f32', work.rows, cols);
    const { epilogue } = work;
    const { scale, residual } = epilogue;
    const first = { scale, accumulate: false, ...(residual ? { residual } : {}) };
    return pieces.map((piece, n) =>
      n === pieces.length - 1
        ? { ...work, segments: [piece, ...whole], epilogue: { ...epilogue, residual: sums } }
        : { ...work, segments: [piece], epilogue: n > 0 ? { scale, accumulate: true } : first, out: sums },
    );
  }

  /** Rows that a matrix is cut at: as many as may be bound, each from where a binding may begin. Fewer than two: it is not cut; a packed one never is. */
  #shares({ rows, rowStride, dtype, packed }: MatrixRef): readonly (readonly [from: number, to: number])[] {
    const { bindingBytes = Number.POSITIVE_INFINITY } = this.planned.device;
    // what depends on tokens is as long as a caller says
    if (typeof rows !== 'number' || packed) return [];
    const stride = Number(rowStride);
    const most = bindingBytes / (stride * ELEMENT_BYTES[dtype]);
    if (rows <= most) return [];
    let step: number = PLACED.byBinding;
    while (step > 1 && (stride * step) % (2 * PLACED.byBinding) === 0) step /= 2;
    const share = step * Math.max(1, Math.floor(most / step));
    return Array.from({ length: Math.ceil(rows / share) }, (_, n) => [
      n * share,
      Math.min((n + 1) * share, rows),
    ]);
  }
}

const rowsOf = (matrix: MatrixRef, from: number, to: number): MatrixRef => ({
  ...matrix,
  rows: to - from,
  offset: matrix.offset + from * Number(matrix.rowStride),
});
const colsOf = (matrix: MatrixRef, from: number, to: number): MatrixRef => ({
  ...matrix,
  cols: to - from,
  offset: matrix.offset + from,
});

/** Rows, or columns, of an operand as a product reads it. */
function partOf(
  { matrix, transposed, ...rest }: Operand,
  along: 'rows' | 'cols',
  from: number,
  to: number,
): Operand {
  const part = (along === 'rows') === transposed ? colsOf : rowsOf;
  return { ...rest, transposed, matrix: part(matrix, from, to) };
}

const ofInner = ({ a, b }: Segment, from: number, to: number): Segment => ({
  a: partOf(a, 'cols', from, to),
  b: partOf(b, 'rows', from, to),
  inner: to - from,
});

function ofRows(work: Product, from: number, to: number): Product {
  const { segments, epilogue, out } = work;
  const { residual } = epilogue;
  return {
    ...work,
    rows: to - from,
    segments: segments.map((segment) => ({ ...segment, a: partOf(segment.a, 'rows', from, to) })),
    epilogue: { ...epilogue, ...(residual ? { residual: rowsOf(residual, from, to) } : {}) },
    out: rowsOf(out, from, to),
  };
}

function ofCols(work: Product, from: number, to: number): Product {
  const { segments, epilogue, out } = work;
  const { bias, residual } = epilogue;
  return {
    ...work,
    cols: to - from,
    segments: segments.map((segment) => ({ ...segment, b: partOf(segment.b, 'cols', from, to) })),
    epilogue: {
      ...epilogue,
      ...(bias ? { bias: { ...bias, offset: bias.offset + from } } : {}),
      ...(residual ? { residual: colsOf(residual, from, to) } : {}),
    },
    out: colsOf(out, from, to),
  };
}

/** Elements of a buffer that a launch reads or writes, from the first of the buffer on, where the lengths of all are known. */
export function elementsRead(part: unknown, name: string): number {
  if (typeof part !== 'object' || part === null) return 0;
  const { buffer, offset, rows, cols, rowStride } = part as Partial<MatrixRef>;
  const own =
    buffer === name && rowStride !== undefined
      ? Number(offset) + (Number(rows) - 1) * Number(rowStride) + Number(cols)
      : 0;
  return Math.max(own, ...Object.values(part).map((value) => elementsRead(value, name)));
}
