import type { ByteSource } from '../carried.js';
import { badGguf } from '../codes/gguf.js';
import { fail } from '../diagnostics.js';
import { byteLengthOf, type DType } from '../dtype.js';
import { FileTensor } from '../onnx/tensor-read.js';
import { elementCount } from '../shape.js';
import type { TensorData } from '../tensor.js';
import type { Output } from './atomic.js';
import { FileSource } from './file-source.js';

/**
 * GGUF (ggml's file format), versions 2 and 3, little-endian: magic, version, numbers of tensors and of metadata, metadata, names and places
 * of tensors, then their data, each at a multiple of the alignment. Extents are stored innermost first; here they are outermost
 * first, as in ONNX. Of the element types only plain ones are known: blocks of quantised numbers do not occur in adapters.
 */
export interface Gguf {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, TensorData>;
}

/** A value of the metadata; lists are not kept. */
export type GgufValue =
  | { readonly type: 'text'; readonly value: string }
  | { readonly type: 'whole' | 'real'; readonly value: number }
  | { readonly type: 'other' };

const MAGIC = 'GGUF';
const VERSION = 3;
const ALIGNMENT = 32;
const TYPES: ReadonlyMap<number, DType> = new Map([
  [0, 'f32'],
  [1, 'f16'],
  [30, 'bf16'],
]);
const F32 = 0;

/** Types of metadata by their numbers. */
const [U32, FLOAT32, TEXT, LIST] = [4, 6, 8, 9] as const;
/** Bytes of a value of the types that have a fixed size. */
const SIZES: ReadonlyMap<number, number> = new Map([
  ...([0, 1, 7] as const).map((type) => [type, 1] as const),
  ...([2, 3] as const).map((type) => [type, 2] as const),
  ...([4, 5, 6] as const).map((type) => [type, 4] as const),
  ...([10, 11, 12] as const).map((type) => [type, 8] as const),
]);

/** Names and texts of an adapter are far shorter. */
const MAX_TEXT = 1 << 20;
const MAX_RANK = 4;

/**
 * Reads the structure of a file; data are ranges of the file. `early` sees the metadata after each entry, and may refuse before the rest is
 * read. Throws LOTR1002 when it cannot be opened, LOTR7701 when it is malformed.
 */
export function readGguf(path: string, early: (metadata: Gguf['metadata']) => void = () => {}): Gguf {
  const source = new FileSource(path);
  const cursor = new Cursor(source);
  if (source.size < 24 || cursor.ascii(4) !== MAGIC) cursor.refuse('it does not begin with GGUF');
  const version = cursor.u32();
  // the byte order of big-endian files shows here, too
  if (version !== 2 && version !== VERSION) cursor.refuse(`its version is ${version}; 2 and 3 are known`);
  const [tensorCount, entryCount] = [cursor.u64(), cursor.u64()];
  const metadata = new Map<string, GgufValue>();
  for (let k = 0; k < entryCount; k++) {
    const key = cursor.text();
    if (metadata.has(key)) cursor.refuse(`the key ${JSON.stringify(key)} is there twice`);
    metadata.set(key, cursor.value(cursor.u32()));
    early(metadata);
  }
  const alignment = metadata.get('general.alignment');
  const align = alignment === undefined ? ALIGNMENT : alignment.type === 'whole' ? alignment.value : 0;
  if (align < 1 || (align & (align - 1)) !== 0) cursor.refuse('general.alignment is not a power of two');
  const rows: { name: string; dtype: DType; shape: readonly number[]; at: number; length: number }[] = [];
  const names = new Set<string>();
  for (let k = 0; k < tensorCount; k++) {
    const name = cursor.text();
    const wrong = (why: string): never => cursor.refuse(`tensor ${JSON.stringify(name)} ${why}`);
    if (names.has(name)) wrong('is there twice');
    names.add(name);
    const rank = cursor.u32();
    if (rank > MAX_RANK) wrong(`has ${rank} axes`);
    const shape = Array.from({ length: rank }, () => cursor.u64()).reverse();
    const type = cursor.u32();
    const dtype = TYPES.get(type) ?? wrong(`has element type ${type}, which is not F32, F16 or BF16`);
    const at = cursor.u64();
    const length = byteLengthOf(dtype, elementCount(shape))!;
    if (at % align !== 0) wrong('does not begin at a multiple of the alignment');
    rows.push({ name, dtype, shape, at, length });
  }
  const start = aligned(cursor.at, align);
  const tensors = new Map<string, TensorData>();
  for (const { name, dtype, shape, at, length } of rows) {
    const offset = start + at;
    if (offset + length > source.size)
      cursor.refuse(
        `tensor ${JSON.stringify(name)} is to end at byte ${offset + length}, and the file ends at ${source.size}`,
      );
    const place = { path: source.path, offset, locate: () => ({ source, offset }) };
    tensors.set(name, new FileTensor(dtype, shape, length, place, null));
  }
  return { metadata, tensors };
}

const aligned = (at: number, to: number): number => Math.ceil(at / to) * to;

/** Reads values one after another, in pieces of the file. */
class Cursor {
  at = 0;
  #window: Uint8Array = new Uint8Array();
  #begin = 0;

  constructor(readonly source: ByteSource) {}

  refuse(why: string): never {
    return fail(badGguf({ file: this.source.path, offset: this.at, why }));
  }

  #take(count: number): DataView {
    if (this.at + count > this.source.size) this.refuse('the file ends here');
    if (this.at < this.#begin || this.at + count > this.#begin + this.#window.byteLength) {
      this.#begin = this.at;
      this.#window = this.source.read(
        this.at,
        Math.min(Math.max(count, 1 << 16), this.source.size - this.at),
      );
    }
    const view = new DataView(this.#window.buffer, this.#window.byteOffset + this.at - this.#begin, count);
    this.at += count;
    return view;
  }

  u32(): number {
    return this.#take(4).getUint32(0, true);
  }

  /** A number that counts or places something. */
  u64(): number {
    const value = this.#take(8).getBigUint64(0, true);
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : this.refuse(`${value} is too large`);
  }

  ascii(count: number): string {
    const view = this.#take(count);
    return Buffer.from(view.buffer, view.byteOffset, count).toString('latin1');
  }

  text(): string {
    const count = this.u64();
    if (count > MAX_TEXT) this.refuse(`a text is to have ${count} bytes`);
    const view = this.#take(count);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(view);
    } catch {
      return this.refuse('a text is not UTF-8');
    }
  }

  value(type: number): GgufValue {
    if (type === TEXT) return { type: 'text', value: this.text() };
    if (type === U32) return { type: 'whole', value: this.u32() };
    if (type === FLOAT32) return { type: 'real', value: this.#take(4).getFloat32(0, true) };
    if (type === LIST) this.#skipList();
    else this.#skip(SIZES.get(type) ?? this.refuse(`a value has type ${type}, which is not known`));
    return { type: 'other' };
  }

  #skipList(): void {
    const type = this.u32();
    const count = this.u64();
    const size = SIZES.get(type);
    if (size !== undefined) this.#skip(size * count);
    else if (type === TEXT) for (let k = 0; k < count; k++) this.#skip(this.u64());
    else this.refuse(`a list has values of type ${type}`);
  }

  #skip(count: number): void {
    if (this.at + count > this.source.size) this.refuse('the file ends here');
    this.at += count;
  }
}

/** Values of the metadata that are written: texts, whole numbers as uint32, others as float32. */
export type GgufMetadata = ReadonlyMap<string, Exclude<GgufValue, { readonly type: 'other' }>>;

/**
 * One GGUF file of float32 tensors as an output of `writeAtomically`; metadata and tensors in the order given, equal arguments give equal
 * bytes, data is streamed.
 */
export function ggufOutput(
  path: string,
  metadata: GgufMetadata,
  tensors: ReadonlyMap<string, TensorData>,
): Output {
  const head = [Buffer.from(MAGIC), u32(VERSION), u64(tensors.size), u64(metadata.size)];
  for (const [key, { type, value }] of metadata) {
    head.push(text(key));
    if (type === 'text') head.push(u32(TEXT), text(value));
    else head.push(u32(type === 'whole' ? U32 : FLOAT32), type === 'whole' ? u32(value) : f32(value));
  }
  let offset = 0;
  for (const [name, data] of tensors) {
    if (data.dtype !== 'f32') throw new Error(`"${name}" is ${data.dtype}, not f32`);
    head.push(text(name), u32(data.shape.length), ...data.shape.toReversed().map(u64), u32(F32), u64(offset));
    offset = aligned(offset + data.byteLength, ALIGNMENT);
  }
  const header = Buffer.concat(head);
  return {
    path,
    write(sink) {
      sink.write(header);
      sink.write(new Uint8Array(aligned(header.byteLength, ALIGNMENT) - header.byteLength));
      for (const data of tensors.values()) {
        data.copyTo(sink);
        sink.write(new Uint8Array(aligned(data.byteLength, ALIGNMENT) - data.byteLength));
      }
    },
  };
}

function bytes(count: number, set: (buffer: Buffer) => void): Buffer {
  const buffer = Buffer.alloc(count);
  set(buffer);
  return buffer;
}
const u32 = (value: number): Buffer => bytes(4, (buffer) => buffer.writeUInt32LE(value));
const u64 = (value: number): Buffer => bytes(8, (buffer) => buffer.writeBigUInt64LE(BigInt(value)));
const f32 = (value: number): Buffer => bytes(4, (buffer) => buffer.writeFloatLE(value));
const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
