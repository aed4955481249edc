import type { ByteSource } from '../carried.js';
import { badSafetensors } from '../codes/files.js';
import { fail } from '../diagnostics.js';
import { byteLengthOf, type DType } from '../dtype.js';
import { copyRange, FileSource, MemorySource } from '../onnx/source.js';
import { elementCount } from '../shape.js';
import { BaseTensor, type ByteSink, type TensorData, type TensorOrigin } from '../tensor.js';
import { type Output, writeAtomically } from './atomic.js';

/**
 * safetensors files (huggingface/safetensors, format of version 0.4): 8-byte little-endian header length, JSON header,
 * data. Tensors are ranges of the file; nothing is read until it is asked for.
 */
export interface SafetensorsFile {
  readonly tensors: ReadonlyMap<string, TensorData>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The limit of the format's own reader. */
const MAX_HEADER = 100_000_000;

const NAMES: Readonly<Record<string, DType>> = {
  F64: 'f64',
  F32: 'f32',
  F16: 'f16',
  BF16: 'bf16',
  I64: 'i64',
  I32: 'i32',
  I16: 'i16',
  I8: 'i8',
  U64: 'u64',
  U32: 'u32',
  U16: 'u16',
  U8: 'u8',
  BOOL: 'bool',
  F8_E4M3: 'opaque:17',
  F8_E5M2: 'opaque:19',
};
const BY_DTYPE = new Map(Object.entries(NAMES).map(([name, dtype]) => [dtype, name]));

/** A stretch of a safetensors file. */
class StoredTensor extends BaseTensor {
  readonly origin: TensorOrigin;
  constructor(
    dtype: DType,
    shape: readonly number[],
    byteLength: number,
    readonly source: ByteSource,
    readonly offset: number,
  ) {
    super(dtype, shape, byteLength);
    this.origin = { kind: 'file', path: source.path, offset };
  }
  bytes(): Uint8Array {
    return this.source.read(this.offset, this.byteLength);
  }
  override slice(offset: number, length: number): Uint8Array {
    return this.source.read(this.offset + offset, length);
  }
  override copyTo(sink: ByteSink): void {
    copyRange(this.source, this.offset, this.byteLength, sink);
  }
}

/** Reads a safetensors file. Throws LOTR1002 when it cannot be opened and LOTR7001 when it is not well formed. */
export function readSafetensors(path: string): SafetensorsFile {
  return read(new FileSource(path));
}

/** Reads a safetensors file held in memory. Throws LOTR7001. */
export function readSafetensorsBytes(bytes: Uint8Array, label = '<safetensors>'): SafetensorsFile {
  return read(new MemorySource(bytes, label));
}

function read(source: ByteSource): SafetensorsFile {
  const refuse = (why: string, offset = 8): never => fail(badSafetensors({ file: source.path, offset, why }));
  if (source.size < 8) refuse(`it has ${source.size} bytes, the header length alone needs 8`, 0);
  const prefix = source.read(0, 8);
  const length = Number(new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true));
  if (length > MAX_HEADER)
    refuse(`its header would have ${length} bytes; the format allows ${MAX_HEADER}`, 0);
  if (8 + length > source.size) refuse(`its header would end at byte ${8 + length} of ${source.size}`, 0);
  const header = parseHeader(source.read(8, length), refuse);
  const metadata: Record<string, string> = {};
  const rows: { name: string; dtype: DType; shape: number[]; from: number; to: number }[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      for (const [key, text] of Object.entries(asObject(value) ?? refuse('__metadata__ is not an object'))) {
        if (typeof text !== 'string') refuse(`__metadata__ entry ${JSON.stringify(key)} is not a string`);
        metadata[key] = text as string;
      }
    } else rows.push({ name, ...readRow(name, value, refuse) });
  }
  const data = 8 + length;
  let end = 0;
  for (const row of rows.toSorted((a, b) => a.from - b.from || a.to - b.to)) {
    if (row.from !== end) {
      refuse(`tensor ${JSON.stringify(row.name)} begins at ${row.from}, the one before it ends at ${end}`);
    }
    end = row.to;
  }
  if (data + end !== source.size) refuse(`its tensors end at byte ${data + end}, the file at ${source.size}`);
  const tensors = new Map<string, TensorData>();
  for (const { name, dtype, shape, from, to } of rows) {
    tensors.set(name, new StoredTensor(dtype, shape, to - from, source, data + from));
  }
  return { tensors, metadata };
}

type Refuse = (why: string, offset?: number) => never;

function parseHeader(bytes: Uint8Array, refuse: Refuse): Record<string, unknown> {
  if (bytes[0] !== 0x7b) refuse('its header does not begin with "{"');
  let text = '';
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    refuse('its header is not UTF-8');
  }
  try {
    return asObject(JSON.parse(text)) ?? refuse('its header is not an object');
  } catch (error) {
    if (error instanceof SyntaxError) refuse(`its header is not JSON (${error.message})`);
    throw error;
  }
}

function readRow(name: string, value: unknown, refuse: Refuse) {
  const what = `tensor ${JSON.stringify(name)}`;
  const row = asObject(value) ?? refuse(`${what} is not an object`);
  const dtype =
    NAMES[String(row.dtype)] ?? refuse(`${what} has the unknown type ${JSON.stringify(row.dtype)}`);
  const shape = counts(row.shape) ?? refuse(`${what} has no shape of non-negative integers`);
  const place = counts(row.data_offsets);
  if (place?.length !== 2 || place[0]! > place[1]!) refuse(`${what} has no data_offsets [from, to]`);
  const [from, to] = place as [number, number];
  const wanted = byteLengthOf(dtype, elementCount(shape));
  if (wanted !== to - from) refuse(`${what} needs ${wanted} bytes and has ${to - from}`);
  return { dtype, shape, from, to };
}

function counts(value: unknown): number[] | null {
  const ok = Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && entry >= 0);
  return ok ? (value as number[]) : null;
}

function asObject(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

/**
 * The writing of a safetensors file, to be committed together with other outputs. Deterministic: tensors in the given
 * order, metadata keys sorted, header padded with spaces so that the data begins at a multiple of 8.
 */
export function planSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>> = {},
): Output {
  return { path, write: (sink) => writeTo(sink, tensors, metadata) };
}

/** Writes a safetensors file, whole or not at all. Throws LOTR1201 when the system refuses. */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  writeAtomically([planSafetensors(path, tensors, metadata)]);
}

function writeTo(
  sink: ByteSink,
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>>,
): void {
  // a plain object would move names that look like integers to the front and lose "__proto__"
  const entries: string[] = [];
  const keys = Object.keys(metadata).sort();
  if (keys.length > 0) {
    const inner = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`);
    entries.push(`"__metadata__":{${inner.join(',')}}`);
  }
  let at = 0;
  for (const [name, data] of tensors) {
    const dtype = BY_DTYPE.get(data.dtype);
    if (!dtype) throw new Error(`safetensors has no type for ${data.dtype}`);
    const row = { dtype, shape: data.shape, data_offsets: [at, at + data.byteLength] };
    entries.push(`${JSON.stringify(name)}:${JSON.stringify(row)}`);
    at += data.byteLength;
  }
  let header = Buffer.from(`{${entries.join(',')}}`, 'utf8');
  header = Buffer.concat([header, Buffer.alloc((8 - (header.byteLength % 8)) % 8, 0x20)]);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(header.byteLength));
  sink.write(prefix);
  sink.write(header);
  for (const data of tensors.values()) data.copyTo(sink);
}
