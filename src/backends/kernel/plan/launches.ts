import type {
  DeviceProfile,
  EinsumWork,
  Epilogue,
  Extent,
  Family,
  KernelDtype,
  Launch,
  MatrixRef,
  Operand,
  Packed,
  Product,
  ReduceJob,
  RowDown,
  RowUp,
  ScheduleRow,
  Segment,
  UnitRounding,
} from '../model/types.js';
import { codeTableBytes } from './code-tables.js';
import { lengthOf, operandType } from './cost.js';
import { priced } from './price.js';
import { libraryPrice } from './product-price.js';
import { einsumSchedule, type Problem, pickSchedule } from './schedule.js';
import { allInVectors } from './vectors.js';

/** What launches are made for. */
export interface Target {
  readonly device: DeviceProfile;
  readonly db: readonly ScheduleRow[];
  /** type of the operands in token space */
  readonly dtype: KernelDtype;
  /** of float32 in products over tokens */
  readonly rounding?: UnitRounding;
  readonly tokens: number;
}

/** A product without the parts that depend on the device. */
export type ProductRequest = Pick<Product, 'rows' | 'cols' | 'segments' | 'out'> &
  Partial<Pick<Product, 'widen' | 'chain'>> & {
    readonly name: string;
    readonly family: Family;
    readonly does: string;
    readonly epilogue?: Partial<Epilogue>;
  };

const PLAIN: Epilogue = { scale: 1, accumulate: false };

/** A dense matrix at the start, or at an element, of a buffer. */
export function dense(buffer: string, dtype: KernelDtype, rows: Extent, cols: Extent, offset = 0): MatrixRef {
  return { buffer, dtype, rows, cols, offset, rowStride: cols };
}

export const plain = (matrix: MatrixRef): Operand => ({ matrix, transposed: false });
export const flipped = (matrix: MatrixRef): Operand => ({ matrix, transposed: true });

/** One launch for a product, with the schedule of the table and the predicted cost. */
export function productLaunch(target: Target, wanted: ProductRequest): Launch {
  const { name, family, does, epilogue, ...rest } = wanted;
  const { schedule } = pickSchedule(target.db, target.device, problemOf(target, wanted));
  const parts = schedule.splitK;
  const rounding = roundingOf(target, wanted);
  const work: Product = {
    kind: 'product',
    ...rest,
    ...(rounding ? { rounding } : {}),
    epilogue: { ...PLAIN, ...epilogue },
    parts,
  };
  return priced({ name, family, schedule, work, does }, target);
}

/** One launch for an einsum. */
export function einsumLaunch(
  target: Target,
  { name, does, ...rest }: Omit<EinsumWork, 'kind'> & Pick<Launch, 'name' | 'does'>,
): Launch {
  const work: EinsumWork = { kind: 'einsum', ...rest };
  return priced({ name, family: 'einsum', schedule: einsumSchedule(work), work, does }, target);
}

function problemOf(target: Target, wanted: ProductRequest): Problem {
  const { family, rows, cols, segments, widen } = wanted;
  const n = (extent: Extent) => lengthOf(extent, { M: target.tokens });
  const packed = segments.flatMap(({ b }) => (b.matrix.packed ? [{ ...b, how: b.matrix.packed }] : []));
  return {
    family,
    dtype: roundingOf(target, wanted) ? 'tf32' : operandType(segments),
    rows: n(rows),
    cols: n(cols),
    inner: segments.reduce((sum, segment) => sum + n(segment.inner), 0),
    ...(widen ? { widen: widen.rank } : {}),
    ...(packed.length > 0
      ? {
          packed: {
            along: packed[0]!.transposed ? 'inner' : 'cols',
            how: packed.map(({ how }) => how),
            tableBytes: codeTableBytes(segments),
          },
        }
      : {}),
    vectors: allInVectors({ ...wanted, epilogue: { ...PLAIN, ...wanted.epilogue }, parts: 1 }),
  };
}

/** Products over tokens alone are rounded, and those that matrix units take: weight space stays exact. */
function roundingOf(
  { rounding }: Target,
  { rows, segments, chain, widen }: ProductRequest,
): UnitRounding | undefined {
  const overTokens = [rows, ...segments.map(({ inner }) => inner)].some((extent) => extent === 'M');
  return overTokens && !chain && !widen && operandType(segments) === 'f32' ? rounding : undefined;
}

/**
 * A product whose segments need more buffers than a kernel may bind becomes several, each adding to the result of the
 * one before; the epilogue's scale applies to each. For products without bias and activation.
 */
export function concatLaunches(target: Target, wanted: ProductRequest): readonly Launch[] {
  const room = target.device.storageBuffers - 1;
  const bins: Segment[][] = [];
  let names = new Set<string>();
  for (const segment of wanted.segments) {
    const own = operandBuffers([segment.a, segment.b]);
    const together = new Set([...names, ...own]);
    if (bins.length === 0 || together.size > room) {
      bins.push([segment]);
      names = new Set(own);
    } else {
      bins.at(-1)!.push(segment);
      names = together;
    }
  }
  return bins.map((segments, index) =>
    productLaunch(target, {
      ...wanted,
      name: bins.length > 1 ? `${wanted.name}_${index + 1}` : wanted.name,
      does: bins.length > 1 ? `${wanted.does} (part ${index + 1} of ${bins.length})` : wanted.does,
      segments,
      epilogue: { ...wanted.epilogue, accumulate: index > 0 || (wanted.epilogue?.accumulate ?? false) },
    }),
  );
}

/** Partial sums over tokens of one region, and the launch that adds them up. */
export class TokenSums {
  readonly launches: Launch[] = [];
  /** those of one launch write different places */
  readonly #rounds: ReduceJob[][] = [];
  /** elements of the scratch buffer that are taken */
  elements = 0;

  constructor(
    readonly target: Target,
    readonly scratch: string,
    /** sums are added to what is there; else they take its place */
    readonly accumulate = true,
  ) {}

  /** out += (or =) a sum over tokens: at once, or in parts that `finish` adds up in order. */
  add(wanted: ProductRequest): void {
    const { accumulate } = this;
    const whole = productLaunch(this.target, {
      ...wanted,
      epilogue: { ...wanted.epilogue, accumulate },
    });
    const work = whole.work as Product;
    if (work.parts === 1) {
      this.launches.push(whole);
      return;
    }
    const bound = { M: this.target.tokens };
    const elements = lengthOf(wanted.rows, bound) * lengthOf(wanted.cols, bound);
    const partial = dense(this.scratch, 'f32', wanted.rows, wanted.cols, this.elements);
    const split: Product = { ...work, out: partial, epilogue: { ...work.epilogue, accumulate: false } };
    this.launches.push(priced({ ...whole, work: split }, this.target));
    this.#reduce({
      partials: { buffer: this.scratch, dtype: 'f32', offset: this.elements },
      parts: work.parts,
      elements,
      out: { buffer: wanted.out.buffer, dtype: wanted.out.dtype, offset: wanted.out.offset },
      accumulate,
    });
    this.elements += work.parts * elements;
  }

  /** Parts of one sum that lie together are added as one job; other parts of it in a launch of their own. */
  #reduce(job: ReduceJob): void {
    const isSame = ({ out }: ReduceJob) => out.buffer === job.out.buffer && out.offset === job.out.offset;
    const isNext = ({ partials, parts, elements }: ReduceJob) =>
      partials.offset + parts * elements === job.partials.offset;
    for (const jobs of this.#rounds) {
      const at = jobs.findIndex((one) => isSame(one) && isNext(one) && one.accumulate);
      if (at < 0) continue;
      jobs[at] = { ...jobs[at]!, parts: jobs[at]!.parts + job.parts };
      return;
    }
    const round = this.#rounds.find((jobs) => !jobs.some(isSame));
    if (round) round.push(job);
    else this.#rounds.push([job]);
  }

  /** The launches and, where any sum was split, the one that adds the parts of all; a second one for places of the first. */
  finish(name: string): readonly Launch[] {
    const problem = { family: 'reducePartials', dtype: 'f32', rows: 1, cols: 1, inner: 1 } as const;
    return [
      ...this.launches,
      ...this.#rounds.map((jobs, nth): Launch => {
        const work = { kind: 'reduce', jobs } as const;
        const launch = {
          name: nth === 0 ? name : `${name}_${nth + 1}`,
          family: 'reducePartials',
          schedule: pickSchedule(this.target.db, this.target.device, problem).schedule,
          work,
          does: 'adds the parts of each sum, in order',
        } as const;
        return priced(launch, this.target);
      }),
    ];
  }
}

/** Work of a product that a vendor's library would do: the layer without an adapter. */
export function basePrediction(
  target: Target,
  products: readonly (readonly [rows: number, inner: number, cols: number, packed?: Packed | undefined])[],
) {
  const total = { flops: 0, bytes: 0, seconds: 0 };
  for (const [rows, inner, cols, packed] of products) {
    const { dtype, rounding } = target;
    const operand = (r: number, c: number, name: string) => plain(dense(name, dtype, r, c));
    const plainB = operand(inner, cols, 'b');
    const b = packed ? { ...plainB, matrix: { ...plainB.matrix, packed } } : plainB;
    const work: Product = {
      kind: 'product',
      rows,
      cols,
      segments: [{ a: operand(rows, inner, 'a'), b, inner }],
      epilogue: PLAIN,
      out: dense('c', dtype, rows, cols),
      parts: 1,
    };
    const one = libraryPrice({ ...work, ...(rounding ? { rounding } : {}) }, target);
    total.flops += one.flops;
    total.bytes += one.bytes;
    total.seconds += one.seconds;
  }
  return total;
}

/** What a product multiplies. */
const operandsOf = ({ segments, widen, chain }: Product): readonly Operand[] => [
  ...segments.flatMap(({ a, b }) => [a, b]),
  ...(widen ? [widen.down, widen.up] : []),
  ...(chain ? [chain] : []),
];

/** Names of the buffers of operands, with those of scales, zero points and adapters of rows. */
function operandBuffers(operands: readonly Operand[]): readonly string[] {
  return operands.flatMap(({ matrix: { buffer, packed }, perRowBlock }) => [
    buffer,
    ...(packed ? [packed.scales.buffer] : []),
    ...(packed?.zeros ? [packed.zeros.buffer] : []),
    ...(perRowBlock ? [perRowBlock.table] : []),
  ]);
}

function rowBuffers(work: RowDown | RowUp): readonly string[] {
  const { rows, ranks, scales } = work.of;
  const own =
    work.kind === 'row-down'
      ? [work.x, work.down]
      : [scales, work.p, ...(work.core ? [work.core] : []), work.up];
  return [rows, ranks, ...own, work.out].map(({ buffer }) => buffer);
}

/** Names of the buffers that a launch reads or writes: those that its kernel binds. */
export function buffersOf({ work }: Launch): readonly string[] {
  if (work.kind === 'reduce') {
    return [...new Set(work.jobs.flatMap(({ partials, out }) => [partials.buffer, out.buffer]))];
  }
  if (work.kind === 'row-down' || work.kind === 'row-up') return rowBuffers(work);
  if (work.kind === 'einsum') return [...new Set([...work.operands, work.out].map(({ buffer }) => buffer))];
  const names = [...(work.kind === 'finish' ? [work.partials.buffer] : operandBuffers(operandsOf(work)))];
  const { bias, residual } = work.epilogue;
  if (bias) names.push(bias.buffer);
  if (residual) names.push(residual.buffer);
  return [...new Set([...names, work.out.buffer])];
}
