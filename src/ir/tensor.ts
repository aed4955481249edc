import { sha256 } from '#platform';
import { toHex } from './bytes.js';
import type { TensorCarried } from './carried.js';
import { byteLengthOf, type DType } from './dtype.js';
import { elementCount } from './shape.js';

/** Receives bytes in order. A sink may keep no reference to a chunk after `write` returns. */
export interface ByteSink {
  write(chunk: Uint8Array): void;
}

export type TensorOrigin =
  | { readonly kind: 'memory' }
  /** e.g. `init:normal(1,seed=0)` */
  | { readonly kind: 'computed'; readonly by: string }
  /**
   * raw_data, packed float_data and external_data alike: little-endian bytes at a place in a file. `ofModel`: a file of
   * a model, which another model may refer to; an adapter file may change at any time.
   */
  | { readonly kind: 'file'; readonly path: string; readonly offset: number; readonly ofModel: boolean };

/**
 * A tensor's data is a source, never an eager copy: asking for type and shape costs no read.
 * `bytes()` gives the little-endian packed elements (raw_data layout), possibly an unaligned view; callers do not write to it.
 */
export interface TensorData {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly byteLength: number;
  readonly origin: TensorOrigin;
  /** the form of the tensor in the file it was read from; null for a new one */
  readonly carried: TensorCarried | null;
  bytes(): Uint8Array;
  /** `length` bytes of the packed data from `offset`, without reading the rest where the data lies in a file. */
  slice(offset: number, length: number): Uint8Array;
  /** Streams the bytes in bounded chunks: any size in flat memory. */
  copyTo(sink: ByteSink): void;
  /** The elements of a `string` tensor. Throws for other types. */
  strings(): readonly Uint8Array[];
  /** `sha256:` and the first 32 hex digits over dtype, shape and bytes. */
  digest(): string;
}

/** The shared half of every tensor source: only `bytes` and `copyTo` differ. */
export abstract class BaseTensor implements TensorData {
  abstract readonly origin: TensorOrigin;
  readonly carried: TensorCarried | null = null;
  #digest: string | null = null;

  constructor(
    readonly dtype: DType,
    readonly shape: readonly number[],
    readonly byteLength: number,
  ) {}

  abstract bytes(): Uint8Array;

  slice(offset: number, length: number): Uint8Array {
    return this.bytes().subarray(offset, offset + length);
  }

  copyTo(sink: ByteSink): void {
    sink.write(this.bytes());
  }

  strings(): readonly Uint8Array[] {
    throw new Error(`a ${this.dtype} tensor has no strings`);
  }

  digest(): string {
    if (this.#digest === null) {
      const hash = sha256().update(`${this.dtype}[${this.shape.join(',')}]`);
      if (this.dtype === 'string') {
        for (const item of this.strings()) hash.update(`${item.length}:`).update(item);
      } else {
        this.copyTo({ write: (chunk) => hash.update(chunk) });
      }
      this.#digest = `sha256:${toHex(hash.digest()).slice(0, 32)}`;
    }
    return this.#digest;
  }
}

/** Elements held in memory. */
export class MemoryTensor extends BaseTensor {
  readonly origin = { kind: 'memory' } as const;
  readonly #bytes: Uint8Array;

  /** Throws when `bytes` does not have the length that dtype and shape ask for. */
  constructor(dtype: DType, shape: readonly number[], bytes: Uint8Array) {
    const wanted = byteLengthOf(dtype, elementCount(shape));
    if (wanted !== null && wanted !== bytes.byteLength) {
      throw new Error(`${dtype}[${shape.join(',')}] needs ${wanted} bytes, got ${bytes.byteLength}`);
    }
    super(dtype, shape, bytes.byteLength);
    this.#bytes = bytes;
  }

  bytes(): Uint8Array {
    return this.#bytes;
  }
}

/** A string tensor held in memory. */
export class StringTensor extends BaseTensor {
  readonly origin = { kind: 'memory' } as const;
  readonly #items: readonly Uint8Array[];

  constructor(shape: readonly number[], items: readonly Uint8Array[]) {
    super(
      'string',
      shape,
      items.reduce((sum, item) => sum + item.byteLength, 0),
    );
    this.#items = items;
  }

  override strings(): readonly Uint8Array[] {
    return this.#items;
  }

  bytes(): Uint8Array {
    throw new Error('a string tensor has no packed bytes');
  }
}

/** Elements that a function makes on demand, e.g. a seeded initial factor. The function must be deterministic. */
export class ComputedTensor extends BaseTensor {
  readonly origin: TensorOrigin;
  readonly #compute: () => Uint8Array;

  constructor(dtype: DType, shape: readonly number[], by: string, compute: () => Uint8Array) {
    super(dtype, shape, byteLengthOf(dtype, elementCount(shape)) ?? 0);
    this.origin = { kind: 'computed', by };
    this.#compute = compute;
  }

  bytes(): Uint8Array {
    const made = this.#compute();
    if (made.byteLength !== this.byteLength) throw new Error(`computed tensor made ${made.byteLength} bytes`);
    return made;
  }
}

/** A float32 tensor in memory. */
export function f32Tensor(shape: readonly number[], values: ArrayLike<number>): MemoryTensor {
  const data = Float32Array.from(values);
  return new MemoryTensor('f32', shape, new Uint8Array(data.buffer));
}

/** An int32 tensor in memory. */
export function i32Tensor(shape: readonly number[], values: ArrayLike<number>): MemoryTensor {
  const data = Int32Array.from(values);
  return new MemoryTensor('i32', shape, new Uint8Array(data.buffer));
}

/** An int64 tensor in memory. */
export function i64Tensor(shape: readonly number[], values: readonly (number | bigint)[]): MemoryTensor {
  const data = BigInt64Array.from(values, (value) => BigInt(value));
  return new MemoryTensor('i64', shape, new Uint8Array(data.buffer));
}
