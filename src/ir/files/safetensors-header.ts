import type { ByteSource } from '../carried.js';
import { badSafetensors, cannotStore, safetensorsDtype } from '../codes/files.js';
import { fail } from '../diagnostics.js';
import { byteLengthOf, type DType } from '../dtype.js';
import { bare } from '../keys.js';
import { elementCount } from '../shape.js';
import type { TensorData } from '../tensor.js';
import type { Output } from './atomic.js';
import { fileKind } from './file-kind.js';
import { type Json, JsonError, type JsonObject, parseJson } from './json.js';

/**
 * Safetensors (https://github.com/huggingface/safetensors, format of version 0.4 and later): header length as uint64,
 * JSON header, data. Element types by their names in the format.
 */
const DTYPES: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['F64', 'f64'],
  ['F32', 'f32'],
  ['F16', 'f16'],
  ['BF16', 'bf16'],
  ['I64', 'i64'],
  ['I32', 'i32'],
  ['I16', 'i16'],
  ['I8', 'i8'],
  ['U64', 'u64'],
  ['U32', 'u32'],
  ['U16', 'u16'],
  ['U8', 'u8'],
  ['BOOL', 'bool'],
  ['C64', 'c64'],
  ['F8_E4M3', 'f8e4m3fn'],
  ['F8_E5M2', 'f8e5m2'],
  ['F8_E8M0', 'f8e8m0'],
]);
const NAMES: ReadonlyMap<DType, string> = new Map([...DTYPES].map(([name, dtype]) => [dtype, name]));

/** The cap that the format's own library sets; far above any header of real tensors. */
const MAX_HEADER = 100_000_000;
const METADATA = '__metadata__';

/** What writing a tensor asks of it. */
export type StoredTensor = Pick<TensorData, 'dtype' | 'shape' | 'byteLength' | 'copyTo'>;

/** A tensor of a file. */
interface SafetensorsRow {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** of the data, from its start */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsRows {
  /** in the order in which the data lies in the file */
  readonly rows: readonly SafetensorsRow[];
  readonly metadata: Record<string, string>;
  /** where the data begins */
  readonly dataStart: number;
}

/** Reads the header of a byte source. Throws LOTR7001 when it is malformed, LOTR7002 when an element type is unknown. */
export function safetensorsRows(source: ByteSource): SafetensorsRows {
  const { header, dataStart } = readHeader(source);
  const metadata: [string, string][] = [];
  const rows: SafetensorsRow[] = [];
  for (const [name, value] of header) {
    if (name === METADATA) metadata.push(...metadataOf(source, value));
    else rows.push(rowOf(source, name, value));
  }
  // the sort is stable: tensors without elements keep the header's order
  rows.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const { name, begin, end } of rows) {
    if (begin !== covered) {
      const what = begin < covered ? 'overlaps another tensor' : 'follows bytes that belong to no tensor';
      refuse(source, dataStart + begin, `tensor "${name}" ${what}`);
    }
    covered = end;
  }
  const size = source.size - dataStart;
  if (covered !== size) {
    refuse(source, source.size, `the tensors take ${covered} bytes of data and the file has ${size}`);
  }
  return { rows, metadata: bare(metadata), dataStart };
}

function refuse(source: ByteSource, offset: number, why: string): never {
  const kind = fileKind(source.read(0, Math.min(32, source.size)));
  if (kind?.never) fail(badSafetensors({ file: source.path, what: kind.what, hint: kind.hint }));
  return fail(badSafetensors({ file: source.path, offset, why }));
}

function readHeader(source: ByteSource): { header: JsonObject; dataStart: number } {
  if (source.size < 8) refuse(source, 0, `it has ${source.size} bytes, less than the header length takes`);
  const prefix = source.read(0, 8);
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER)) {
    refuse(source, 0, `the header is to have ${length} bytes; the limit is ${MAX_HEADER}`);
  }
  const end = 8 + Number(length);
  if (end > source.size) {
    refuse(source, 0, `the header is to end at byte ${end} and the file ends at ${source.size}`);
  }
  const bytes = source.read(8, end - 8);
  if (bytes[0] !== 0x7b) refuse(source, 8, 'the header does not start with "{"');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse(source, 8, 'the header is not UTF-8');
  }
  let header: Json;
  try {
    header = parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const before = new TextEncoder().encode(text.slice(0, error.offset)).byteLength;
    return refuse(source, 8 + before, `the header is not proper JSON: ${error.message}`);
  }
  return { header: header as JsonObject, dataStart: end };
}

function metadataOf(source: ByteSource, value: Json): [string, string][] {
  if (!isObject(value)) return refuse(source, 8, `${METADATA} is not an object`);
  return [...value].map(([key, text]) => {
    if (typeof text !== 'string')
      refuse(source, 8, `${METADATA} entry ${JSON.stringify(key)} is not a string`);
    return [key, text as string];
  });
}

function rowOf(source: ByteSource, name: string, value: Json): SafetensorsRow {
  const wrong = (why: string): never => refuse(source, 8, `tensor "${name}": ${why}`);
  if (!isObject(value)) return wrong('its entry is not an object');
  const typeName = value.get('dtype');
  if (typeof typeName !== 'string') return wrong('it has no "dtype"');
  const shape = naturals(value.get('shape'));
  if (!shape) return wrong('its "shape" is not a list of whole numbers');
  const offsets = naturals(value.get('data_offsets'));
  if (offsets?.length !== 2) return wrong('its "data_offsets" are not two whole numbers');
  const dtype = DTYPES.get(typeName) ?? fail(safetensorsDtype({ file: source.path, name, dtype: typeName }));
  const [begin, end] = offsets as [number, number];
  if (begin > end) return wrong(`its data ends at ${end}, before it begins at ${begin}`);
  const wanted = byteLengthOf(dtype, elementCount(shape))!;
  // a product beyond 2^53 is not exact, and cannot equal a length within the file anyway
  if (wanted !== end - begin) {
    return wrong(`${typeName} of shape [${shape.join(',')}] takes ${wanted} bytes, not ${end - begin}`);
  }
  return { name, dtype, shape, begin, end };
}

function isObject(value: Json | undefined): value is JsonObject {
  return value instanceof Map;
}

function naturals(value: Json | undefined): readonly number[] | null {
  if (!Array.isArray(value)) return null;
  const whole = (value as readonly Json[]).every(
    (item) => typeof item === 'number' && Number.isSafeInteger(item) && item >= 0 && !Object.is(item, -0),
  );
  return whole ? (value as readonly number[]) : null;
}

/**
 * One safetensors file as an output of `writeAtomically`, for files that must appear together with others. Metadata
 * comes first, sorted by key, then the tensors in the order given, without gaps; the header is padded with spaces so that the data
 * starts at a multiple of 8. Equal arguments give equal bytes. Data is streamed. Throws LOTR7003.
 */
export function safetensorsOutput(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Output {
  const parts: string[] = [];
  // entries one by one: an object would move keys that look like integers to the front
  const entries = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const text of entries.flat()) requireText(path, METADATA, text);
  if (entries.length > 0) {
    const inner = entries.map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`);
    parts.push(`"${METADATA}":{${inner.join(',')}}`);
  }
  let offset = 0;
  for (const [name, data] of tensors) {
    const dtype = NAMES.get(data.dtype);
    if (!dtype) return fail(cannotStore({ file: path, name, why: `its elements are ${data.dtype}` }));
    if (name === METADATA) fail(cannotStore({ file: path, name, why: 'the name is reserved' }));
    requireText(path, name, name);
    const end = offset + data.byteLength;
    const row = { dtype, shape: data.shape, data_offsets: [offset, end] };
    parts.push(`${JSON.stringify(name)}:${JSON.stringify(row)}`);
    offset = end;
  }
  const json = new TextEncoder().encode(`{${parts.join(',')}}`);
  const length = Math.ceil(json.byteLength / 8) * 8;
  if (length > MAX_HEADER) {
    fail(cannotStore({ file: path, name: METADATA, why: `the header exceeds ${MAX_HEADER} bytes` }));
  }
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, 8);
  return {
    path,
    write(sink) {
      sink.write(header);
      for (const [name, data] of tensors) {
        let written = 0;
        data.copyTo({
          write(chunk) {
            written += chunk.byteLength;
            sink.write(chunk);
          },
        });
        if (written !== data.byteLength)
          throw new Error(`"${name}" made ${written} bytes, not ${data.byteLength}`);
      }
    },
  };
}

/** JSON can escape half a surrogate pair, other readers refuse it. */
function requireText(file: string, name: string, text: string): void {
  if (/\p{Surrogate}/u.test(text)) {
    fail(cannotStore({ file, name, why: 'it holds half a surrogate pair, which is not text' }));
  }
}
