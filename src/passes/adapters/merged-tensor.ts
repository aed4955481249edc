import { type DType, isFloat } from '../../ir/dtype.js';
import { elementCount } from '../../ir/shape.js';
import {
  BaseTensor,
  type ByteSink,
  MemoryTensor,
  type TensorData,
  type TensorOrigin,
} from '../../ir/tensor.js';
import { encodeFloats, toF64 } from '../../ir/values.js';

/** Elements of a weight that are in memory at a time. */
const BLOCK = 1 << 16;

/** scale F1 F2 ... Fn, an (in, out) matrix. */
export interface ScaledProduct {
  /** two or more matrices, in the order of the chain */
  readonly factors: readonly TensorData[];
  readonly scale: number;
}

/**
 * W + scale D in the type and shape of W, made when it is read: float64 throughout, one rounding at the end, a block of
 * rows at a time, so that a weight of any size merges in flat memory. `transposed`: W is stored as (out, in). `refuse` is
 * called when an element that was finite no longer is.
 */
export class MergedTensor extends BaseTensor {
  readonly origin: TensorOrigin = { kind: 'computed', by: 'merge' };
  readonly #weight: TensorData;
  readonly #product: ScaledProduct;
  readonly #transposed: boolean;
  readonly #refuse: () => never;

  readonly #columns: number;

  constructor(weight: TensorData, product: ScaledProduct, transposed: boolean, refuse: () => never) {
    super(weight.dtype, weight.shape, weight.byteLength);
    this.#weight = weight;
    this.#product = product;
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
    const columns = this.#columns;
    const width = this.byteLength / elementCount(this.shape);
    const { dtype } = this;
    const part = this.#weight.slice(from * columns * width, (to - from) * columns * width);
    const base = toF64(new MemoryTensor(dtype, [to - from, columns], part));
    const { left, right } = halves(this.#product.factors, this.#transposed);
    const values = new Float64Array(base.length);
    for (let i = from; i < to; i++) {
      const row = values.subarray((i - from) * columns, (i - from + 1) * columns);
      for (let k = 0; k < left.columns; k++) {
        const a = left.data[i * left.columns + k]!;
        if (a === 0) continue;
        const start = k * columns;
        for (let j = 0; j < columns; j++) row[j] = row[j]! + a * right.data[start + j]!;
      }
    }
    const { scale } = this.#product;
    const largest = LARGEST.get(dtype)!;
    for (let k = 0; k < values.length; k++) {
      const sum = base[k]! + scale * values[k]!;
      if (!(Math.abs(sum) < largest) && Number.isFinite(base[k]!)) this.#refuse();
      values[k] = sum;
    }
    return encodeFloats(dtype, values);
  }
}

/** Where rounding to a type first gives infinity: its largest number plus half a unit in the last place. */
const LARGEST: ReadonlyMap<DType, number> = new Map([
  ['f64', Number.POSITIVE_INFINITY],
  ['f32', 2 ** 128 - 2 ** 103],
  ['f16', 65520],
  ['bf16', 2 ** 128 - 2 ** 119],
]);

interface Dense {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

interface Halves {
  readonly left: Dense;
  readonly right: Dense;
}

/** The halves of the product last requested: blocks of one weight are made one after another. */
let last: {
  readonly factors: readonly TensorData[];
  readonly transposed: boolean;
  readonly halves: Halves;
} | null = null;

/** F1 and F2 F3 ...: D = left right, so that no matrix of the weight's size is made. Transposed: D' = right' left'. */
function halves(factors: readonly TensorData[], transposed: boolean): Halves {
  if (last?.factors === factors && last.transposed === transposed) return last.halves;
  const [first, ...rest] = factors.map(dense);
  const tail = rest.reduceRight((right, left) => product(left, right));
  const found = transposed
    ? { left: transpose(tail), right: transpose(first!) }
    : { left: first!, right: tail };
  last = { factors, transposed, halves: found };
  return found;
}

function dense(tensor: TensorData): Dense {
  if (!isFloat(tensor.dtype)) throw new Error(`a factor of ${tensor.dtype}`);
  return { rows: tensor.shape[0]!, columns: tensor.shape[1]!, data: toF64(tensor) };
}

function product(left: Dense, right: Dense): Dense {
  const data = new Float64Array(left.rows * right.columns);
  for (let i = 0; i < left.rows; i++) {
    const row = data.subarray(i * right.columns, (i + 1) * right.columns);
    for (let k = 0; k < left.columns; k++) {
      const a = left.data[i * left.columns + k]!;
      const start = k * right.columns;
      for (let j = 0; j < right.columns; j++) row[j] = row[j]! + a * right.data[start + j]!;
    }
  }
  return { rows: left.rows, columns: right.columns, data };
}

function transpose({ rows, columns, data }: Dense): Dense {
  const out = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!;
  }
  return { rows: columns, columns: rows, data: out };
}
