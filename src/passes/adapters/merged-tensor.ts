import type { Wrap } from '../../adapter/description.js';
import type { DeltaTerm } from '../../adapter/terms.js';
import { type DeltaParts, deltaParts, type WeightExtents } from '../../adapter/to-numbers/delta.js';
import { numbersOf } from '../../adapter/to-numbers/tensor.js';
import { columnFactors, wrapElement } from '../../adapter/to-numbers/wrap.js';
import { tensorSize } from '../../ir/codes/verify.js';
import { fail } from '../../ir/diagnostics.js';
import { byteLengthOf, type DType } from '../../ir/dtype.js';
import { elementCount } from '../../ir/shape.js';
import {
  BaseTensor,
  type ByteSink,
  MemoryTensor,
  type TensorData,
  type TensorOrigin,
} from '../../ir/tensor.js';
import { labelOf } from '../../ir/tensor-label.js';
import { encodeFloats, toF64 } from '../../ir/values.js';

/** Elements of a weight that are in memory at a time. */
const BLOCK = 1 << 16;

/** scale D, an (in, out) matrix, and what is done with it. */
export interface ScaledDelta {
  readonly term: DeltaTerm;
  readonly factors: readonly TensorData[];
  readonly scale: number;
  readonly extents: WeightExtents;
  readonly wrap: Wrap;
  /** of `column-norm`: the lengths of the columns, and what the layer multiplies the weight by */
  readonly norm: { readonly lengths: TensorData; readonly alpha: number } | null;
}

/**
 * What a wrap makes of W and scale D, in the type and shape of W, made when it is read: float64 throughout, one rounding at the end, a
 * block of rows at a time, so that a weight of any size merges in flat memory; for the norms of columns it is read twice.
 * `transposed`: W is stored as (out, in). `refuse` is called when an element that was finite no longer is.
 */
export class MergedTensor extends BaseTensor {
  readonly origin: TensorOrigin = { kind: 'computed', by: 'merge' };
  readonly #weight: TensorData;
  readonly #delta: ScaledDelta;
  readonly #transposed: boolean;
  readonly #refuse: () => never;

  readonly #columns: number;
  /** of `column-norm`: what each column is multiplied by, once it is known */
  #factors: Float64Array | null = null;

  constructor(weight: TensorData, delta: ScaledDelta, transposed: boolean, refuse: () => never) {
    super(weight.dtype, weight.shape, weight.byteLength);
    const wanted = byteLengthOf(weight.dtype, elementCount(weight.shape));
    if (wanted !== null && wanted !== weight.byteLength)
      fail(tensorSize({ name: labelOf(weight).name, wanted, found: weight.byteLength }));
    this.#weight = weight;
    this.#delta = delta;
    this.#transposed = transposed;
    this.#refuse = refuse;
    // filters are rows too, of all that lies after the first axis
    this.#columns = elementCount(weight.shape.slice(1));
  }

  bytes(): Uint8Array {
    const out = new Uint8Array(this.byteLength);
    let at = 0;
    this.copyTo({
      write(chunk) {
        out.set(chunk, at);
        at += chunk.byteLength;
      },
    });
    return out;
  }

  override copyTo(sink: ByteSink): void {
    const rows = this.shape[0]!;
    const step = Math.max(1, Math.floor(BLOCK / this.#columns));
    for (let row = 0; row < rows; row += step) sink.write(this.#rows(row, Math.min(row + step, rows)));
  }

  override slice(offset: number, length: number): Uint8Array {
    const width = this.byteLength / this.shape[0]!;
    const from = Math.floor(offset / width);
    const made = this.#rows(from, Math.min(Math.ceil((offset + length) / width), this.shape[0]!));
    return made.subarray(offset - from * width, offset - from * width + length);
  }

  #rows(from: number, to: number): Uint8Array {
    const { dtype } = this;
    const { wrap, scale } = this.#delta;
    const factors = this.#columnFactors();
    const { base, values } = this.#parts(from, to);
    const largest = LARGEST.get(dtype)!;
    for (let k = 0; k < values.length; k++) {
      const factor = factors ? factors[this.#output(from, k)]! : 1;
      const sum = wrapElement(wrap, base[k]!, scale * values[k]!, factor);
      if (!(Math.abs(sum) < largest) && Number.isFinite(base[k]!)) this.#refuse();
      values[k] = sum;
    }
    return encodeFloats(dtype, values);
  }

  /** Which output of the layer an element of a block of rows belongs to. */
  #output(from: number, k: number): number {
    return this.#transposed ? from + Math.floor(k / this.#columns) : k % this.#columns;
  }

  #columnFactors(): Float64Array | null {
    const { norm, scale, extents } = this.#delta;
    if (!norm || this.#factors) return this.#factors;
    const squares = new Float64Array(extents.out);
    const rows = this.shape[0]!;
    const step = Math.max(1, Math.floor(BLOCK / this.#columns));
    for (let from = 0; from < rows; from += step) {
      const { base, values } = this.#parts(from, Math.min(from + step, rows));
      for (let k = 0; k < values.length; k++)
        squares[this.#output(from, k)]! += (base[k]! + scale * values[k]!) ** 2;
    }
    this.#factors = columnFactors(numbersOf(norm.lengths).data, squares, norm.alpha);
    return this.#factors;
  }

  /** Some rows of W and of D. */
  #parts(from: number, to: number): { readonly base: Float64Array; readonly values: Float64Array } {
    const columns = this.#columns;
    const width = this.byteLength / elementCount(this.shape);
    const { dtype } = this;
    const part = this.#weight.slice(from * columns * width, (to - from) * columns * width);
    const base = toF64(new MemoryTensor(dtype, [to - from, columns], part));
    const { left, right } = partsOf(this.#delta, this.#transposed);
    const values = left ? new Float64Array(base.length) : right.data.slice(from * columns, to * columns);
    const inner = left ? left.shape[1]! : 0;
    for (let i = from; left && i < to; i++) {
      const row = values.subarray((i - from) * columns, (i - from + 1) * columns);
      for (let k = 0; k < inner; k++) {
        const a = left.data[i * inner + k]!;
        if (a === 0) continue;
        const start = k * columns;
        for (let j = 0; j < columns; j++) row[j] = row[j]! + a * right.data[start + j]!;
      }
    }
    return { base, values };
  }
}

/** Where rounding to a type first gives infinity: its largest number plus half a unit in the last place. */
const LARGEST: ReadonlyMap<DType, number> = new Map([
  ['f64', Number.POSITIVE_INFINITY],
  ['f32', 2 ** 128 - 2 ** 103],
  ['f16', 65520],
  ['bf16', 2 ** 128 - 2 ** 119],
]);

/** What was made of the delta last requested: blocks of one weight are made one after another. */
let made: { readonly of: ScaledDelta; readonly transposed: boolean; readonly parts: DeltaParts } | null =
  null;

function partsOf(of: ScaledDelta, transposed: boolean): DeltaParts {
  if (made?.of === of && made.transposed === transposed) return made.parts;
  const parts = deltaParts(of.term, of.factors.map(numbersOf), transposed, of.extents);
  made = { of, transposed, parts };
  return parts;
}
