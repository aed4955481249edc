import { byteLengthOf } from './dtype.js';
import { stridesOf } from './ops/core/nd.js';
import { elementCount } from './shape.js';
import { BaseTensor, type ByteSink, type TensorData, type TensorOrigin } from './tensor.js';

/** Where the elements of a view are within another tensor; all in elements, strides may be negative. */
export interface StridedLayout {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** Bytes that are made at a time. */
const BLOCK = 1 << 22;
/** Runs of fewer bytes are not read one by one. */
const SHORT_RUN = 256;

/** Whether the elements of a view are one after another. */
export function isDense({ shape, strides }: StridedLayout): boolean {
  const dense = stridesOf(shape);
  return shape.every((extent, k) => extent === 1 || strides[k] === dense[k]);
}

/**
 * Part of a tensor, or its elements in another order, read on demand: slices, transposes and reshapes of a
 * stored weight without a copy. Reads runs of neighbours where they are long; a view of short runs reads the stretch of
 * the tensor that it covers once.
 */
export class StridedTensor extends BaseTensor {
  readonly origin: TensorOrigin = { kind: 'computed', by: 'view' };
  readonly #width: number;
  readonly #run: number;
  readonly #outer: StridedLayout;

  /**
   * `shown`: the shape that the elements get, in their order. Throws for elements of less than a byte, and for a view
   * that leaves the tensor.
   */
  constructor(
    readonly base: TensorData,
    readonly layout: StridedLayout,
    shown: readonly number[] = layout.shape,
  ) {
    const { shape, strides, offset } = layout;
    const width = base.byteLength / elementCount(base.shape);
    const length = byteLengthOf(base.dtype, elementCount(shape));
    if (length === null || !Number.isInteger(width)) {
      throw new Error(`parts of a ${base.dtype} tensor cannot be told apart by bytes`);
    }
    super(base.dtype, shown, length);
    const [low, high] = spanOf(layout);
    if (elementCount(shape) > 0 && (low < 0 || high >= elementCount(base.shape))) {
      throw new Error(`a view of [${shape}] from ${offset} leaves a tensor of [${base.shape}]`);
    }
    let run = 1;
    let axis = shape.length;
    while (axis > 0 && (strides[axis - 1] === run || shape[axis - 1] === 1)) run *= shape[--axis]!;
    this.#width = width;
    this.#run = run;
    this.#outer = { shape: shape.slice(0, axis), strides: strides.slice(0, axis), offset };
  }

  bytes(): Uint8Array {
    return this.slice(0, this.byteLength);
  }

  override slice(offset: number, length: number): Uint8Array {
    const first = Math.floor(offset / this.#width);
    const end = Math.ceil((offset + length) / this.#width);
    const made = this.#elements(first, end - first, this.#source(end - first));
    const from = offset - first * this.#width;
    return made.subarray(from, from + length);
  }

  override copyTo(sink: ByteSink): void {
    const count = elementCount(this.shape);
    const source = this.#source(count);
    const step = Math.max(1, Math.floor(BLOCK / this.#width));
    for (let at = 0; at < count; at += step)
      sink.write(this.#elements(at, Math.min(step, count - at), source));
  }

  /** Reads elements of the base: the stretch under the view at once where runs are short and many are wanted. */
  #source(wanted: number): (element: number, count: number) => Uint8Array {
    const width = this.#width;
    const direct = (element: number, count: number) => this.base.slice(element * width, count * width);
    if (this.#run * width >= SHORT_RUN || wanted <= 4 * this.#run || wanted <= 64) return direct;
    const [low, high] = spanOf(this.layout);
    const stretch = direct(low, high - low + 1);
    return (element, count) => stretch.subarray((element - low) * width, (element - low + count) * width);
  }

  #elements(first: number, count: number, read: (element: number, count: number) => Uint8Array): Uint8Array {
    const out = new Uint8Array(count * this.#width);
    const run = this.#run;
    for (let done = 0; done < count; ) {
      const within = (first + done) % run;
      const part = Math.min(run - within, count - done);
      const start = this.#startOf(Math.floor((first + done) / run)) + within;
      out.set(read(start, part), done * this.#width);
      done += part;
    }
    return out;
  }

  /** The element of the base at which run number `index` begins. */
  #startOf(index: number): number {
    const { shape, strides, offset } = this.#outer;
    let rest = index;
    let at = offset;
    for (let k = shape.length - 1; k >= 0; k--) {
      at += (rest % shape[k]!) * strides[k]!;
      rest = Math.floor(rest / shape[k]!);
    }
    return at;
  }
}

/** The first and the last element of the base that a view reads. */
function spanOf({ shape, strides, offset }: StridedLayout): readonly [low: number, high: number] {
  let [low, high] = [offset, offset];
  for (const [k, extent] of shape.entries()) {
    const reach = Math.max(0, extent - 1) * strides[k]!;
    if (reach < 0) low += reach;
    else high += reach;
  }
  return [low, high];
}
