import type {
  DeviceProfile,
  EinsumWork,
  Extent,
  Finish,
  KernelDtype,
  MatrixRef,
  Operand,
  Predicted,
  Product,
  Reduce,
  RowDown,
  RowUp,
  StridedRef,
  TileSchedule,
  UnitRounding,
} from '../model/types.js';

/** Work of one launch: floating-point operations (a multiply-add is two) and bytes to and from device memory. */
export interface Work {
  readonly flops: number;
  readonly bytes: number;
}

/** Bytes of one element. */
export const ELEMENT_BYTES: Readonly<Record<KernelDtype, number>> = { f32: 4, f16: 2, bf16: 2 };

/** FLOP per second in a type; with three products for one a third. */
export function rateOf(dtype: KernelDtype | UnitRounding, { flops }: DeviceProfile): number {
  if (dtype === 'tf32x3') return (flops.tf32 ?? Number.NaN) / 3;
  return flops[dtype] ?? flops.f32 ?? Number.NaN;
}

/**
 * The least time of a launch on a device, under any schedule: the slower of arithmetic and memory, which overlap, and the cost of launching.
 * Every operand comes from device memory once. A type that the device does not compute with (bf16 in WGSL) is priced at the f32 rate: it is
 * converted. What is predicted of a launch is its price (price.ts).
 */
export function roofline(work: Work, dtype: KernelDtype | UnitRounding, device: DeviceProfile): Predicted {
  const rate = rateOf(dtype, device);
  const seconds = Math.max(work.flops / rate, work.bytes / device.bytesPerSecond) + device.launchSeconds;
  return { flops: work.flops, bytes: work.bytes, seconds };
}

/** The device as a vendor library sees it. */
export function asLibrarySees(device: DeviceProfile): DeviceProfile {
  return { ...device, flops: { ...device.flops, ...device.libraryFlops } };
}

/** In which type a product is computed. */
export const arithmeticOf = ({
  segments,
  rounding,
}: Pick<Product, 'segments' | 'rounding'>): KernelDtype | UnitRounding => rounding ?? operandType(segments);

/** The type of what a product multiplies. */
export const operandType = (segments: Product['segments']): KernelDtype => segments[0]!.a.matrix.dtype;

export function addWork(...parts: readonly Work[]): Work {
  const sum = (pick: (part: Work) => number) => parts.reduce((total, part) => total + pick(part), 0);
  return { flops: sum(({ flops }) => flops), bytes: sum(({ bytes }) => bytes) };
}

/** A length in numbers: `M` is the number of tokens. Throws for a name that is not bound. */
export function lengthOf(extent: Extent, bound: Readonly<Record<string, number>>): number {
  const value = typeof extent === 'number' ? extent : bound[extent];
  if (value === undefined) throw new Error(`the length "${extent}" is not bound`);
  return value;
}

/** Work of a product under a schedule (the widened form computes P once per column tile of BN). */
export function productWork(
  product: Product,
  schedule: Pick<TileSchedule, 'BN'>,
  bound: Readonly<Record<string, number>>,
): Work {
  const n = (extent: Extent) => lengthOf(extent, bound);
  const rows = n(product.rows);
  const cols = n(product.cols);
  let flops = 0;
  let bytes = 0;
  const seen = new Set<string>();
  const read = ({ matrix, perRowBlock }: Operand) => {
    const key = `${matrix.buffer}+${matrix.offset}`;
    if (!seen.has(key)) bytes += sizeOf(matrix, bound) * (perRowBlock?.count ?? 1);
    seen.add(key);
  };
  for (const { a, b, inner } of product.segments) {
    flops += 2 * rows * cols * n(inner);
    read(a);
    read(b);
  }
  if (product.widen) {
    const { rank, down, up } = product.widen;
    const inner = n(product.segments[0]!.inner);
    flops += 2 * rows * rank * inner * Math.ceil(cols / schedule.BN) + 2 * rows * rank * cols;
    read(down);
    read(up);
  }
  if (product.chain) {
    flops += 2 * rows * cols * n(product.out.cols);
    read(product.chain);
  }
  const { bias, residual, accumulate } = product.epilogue;
  if (bias) bytes += cols * ELEMENT_BYTES[bias.dtype];
  if (residual) bytes += sizeOf(residual, bound);
  const out = sizeOf(product.out, bound);
  if (product.parts > 1) bytes += product.parts * out;
  else bytes += accumulate ? 2 * out : out;
  return { flops, bytes };
}

/** Work of a reduction: one addition per partial element. */
export function reduceWork({ jobs }: Reduce): Work {
  return addWork(
    ...jobs.map(({ elements, parts, partials, out, accumulate }) => ({
      flops: elements * parts,
      bytes:
        elements * (parts * ELEMENT_BYTES[partials.dtype] + (accumulate ? 2 : 1) * ELEMENT_BYTES[out.dtype]),
    })),
  );
}

/** Work of what finishes a product that was cut. */
export function finishWork(
  { parts, rows, cols, out }: Finish,
  bound: Readonly<Record<string, number>>,
): Work {
  const elements = lengthOf(rows, bound) * cols;
  return { flops: elements * parts, bytes: elements * (4 * parts + ELEMENT_BYTES[out.dtype]) };
}

/** Work of an einsum: at each point as many operations as operands; every array is read or written once. */
export function einsumWork({ extents, kept, operands, accumulate, out }: EinsumWork): Work {
  const product = (of: readonly number[]) => of.reduce((all, extent) => all * extent, 1);
  const size = ({ dtype, strides }: StridedRef, own: readonly number[]) =>
    ELEMENT_BYTES[dtype] * product(own.filter((_, axis) => strides[axis] !== 0));
  const written = size(out, extents.slice(0, kept));
  return {
    flops: product(extents) * operands.length,
    bytes: operands.reduce((all, one) => all + size(one, extents), (accumulate ? 2 : 1) * written),
  };
}

/** Work over rows that all have adapters of their own, of the largest rank. */
export function rowWork(work: RowDown | RowUp, bound: Readonly<Record<string, number>>): Work {
  const rows = lengthOf(work.rows, bound);
  const { most } = work.of;
  const size = ELEMENT_BYTES[work.kind === 'row-down' ? work.down.dtype : work.up.dtype];
  if (work.kind === 'row-down') {
    const { inner, downs } = work;
    return {
      flops: 2 * rows * inner * downs * most,
      bytes: rows * (inner * size * (1 + downs * most) + 4 * downs * most),
    };
  }
  const { layers, cols, downs, ups, core } = work;
  const cores = core ? layers * most * most : 0;
  return {
    flops: 2 * rows * (cores + layers * most * cols),
    bytes: rows * (4 * downs * most + size * (cores + ups * most * cols) + 4 * layers * cols),
  };
}

/** Bytes of a matrix, with the scales and zero points of one that is packed. */
function sizeOf(matrix: MatrixRef, bound: Readonly<Record<string, number>>): number {
  const elements = lengthOf(matrix.rows, bound) * lengthOf(matrix.cols, bound);
  const { packed } = matrix;
  if (!packed) return elements * ELEMENT_BYTES[matrix.dtype];
  const { bits, block, scales, zeros } = packed;
  const zero = zeros === null ? 0 : zeros.dtype === 'u8' ? bits / 8 : ELEMENT_BYTES[zeros.dtype];
  return Math.ceil((elements * bits) / 8 + (elements / block) * (ELEMENT_BYTES[scales.dtype] + zero));
}
