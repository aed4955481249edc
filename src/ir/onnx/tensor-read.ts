import { concatBytes } from '../bytes.js';
import type { ByteSource, RawField, TensorCarried } from '../carried.js';
import { badTensor } from '../codes/load.js';
import { fail } from '../diagnostics.js';
import { byteLengthOf, type DType, dtypeBits, dtypeFromOnnx } from '../dtype.js';
import { elementCount } from '../shape.js';
import { BaseTensor, type ByteSink, type TensorOrigin } from '../tensor.js';
import type { ExternalData } from './external.js';
import { copyRange } from './source.js';
import { BYTES, FIXED32, FIXED64, type Scanner, VARINT } from './wire.js';

/** One call of `bytes()` may make at most this much; larger tensors are streamed with `copyTo`. */
const MAX_BYTES = 0x7fffffff;
const MAX_RANK = 64;
const MAX_DIM = 2 ** 53;

/** A stretch of a typed data field: `packed` payload, or the value of one unpacked element. */
interface Piece {
  readonly offset: number;
  readonly length: number;
}

/** Elements that lie packed and little-endian in a file: raw_data, one packed float field, or external data. */
export class FileTensor extends BaseTensor {
  readonly origin: TensorOrigin;
  override readonly carried: TensorCarried | null;
  readonly #locate: () => { source: ByteSource; offset: number };

  constructor(
    dtype: DType,
    shape: readonly number[],
    byteLength: number,
    place: { path: string; offset: number; locate: () => { source: ByteSource; offset: number } },
    carried: TensorCarried | null,
  ) {
    super(dtype, shape, byteLength);
    this.origin = { kind: 'file', path: place.path, offset: place.offset, ofModel: carried !== null };
    this.#locate = place.locate;
    this.carried = carried;
  }

  bytes(): Uint8Array {
    return this.slice(0, this.byteLength);
  }

  /** The file that holds the elements. Throws LOTR1102 when it is missing. */
  source(): ByteSource {
    return this.#locate().source;
  }

  override slice(offset: number, length: number): Uint8Array {
    if (length > MAX_BYTES) throw new Error(`a tensor of ${length} bytes must be streamed`);
    const { source, offset: base } = this.#locate();
    return source.read(base + offset, length);
  }

  override copyTo(sink: ByteSink): void {
    const { source, offset } = this.#locate();
    copyRange(source, offset, this.byteLength, sink);
  }
}

/** Elements stored one by one in a typed field (int32_data, int64_data, ...): decoded on demand. */
class TypedTensor extends BaseTensor {
  readonly origin: TensorOrigin;
  override readonly carried: TensorCarried;
  readonly #decode: () => Uint8Array;

  constructor(dtype: DType, shape: readonly number[], carried: TensorCarried, decode: () => Uint8Array) {
    super(dtype, shape, byteLengthOf(dtype, elementCount(shape)) ?? 0);
    this.carried = carried;
    this.origin = { kind: 'computed', by: 'typed field' };
    this.#decode = decode;
  }

  bytes(): Uint8Array {
    return this.#decode();
  }
}

/** string_data: read on demand. */
class FileStrings extends BaseTensor {
  readonly origin: TensorOrigin = { kind: 'computed', by: 'string_data' };
  override readonly carried: TensorCarried;
  readonly #pieces: readonly Piece[];
  readonly #source: ByteSource;

  constructor(
    shape: readonly number[],
    carried: TensorCarried,
    source: ByteSource,
    pieces: readonly Piece[],
  ) {
    super(
      'string',
      shape,
      pieces.reduce((sum, piece) => sum + piece.length, 0),
    );
    this.carried = carried;
    this.#pieces = pieces;
    this.#source = source;
  }

  bytes(): Uint8Array {
    throw new Error('a string tensor has no packed bytes');
  }

  override strings(): readonly Uint8Array[] {
    return this.#pieces.map(({ offset, length }) => this.#source.read(offset, length).slice());
  }
}

type Held = FileTensor | TypedTensor | FileStrings;

/** Fields of TensorProto that hold elements: field -> wire type of one unpacked element. */
const DATA_FIELDS: ReadonlyMap<number, number> = new Map([
  [4, FIXED32],
  [5, VARINT],
  [7, VARINT],
  [10, FIXED64],
  [11, VARINT],
]);

/** Reads a TensorProto whose body is [scan.pos, end). Payloads are located, not read. `start` is the offset of its tag. */
export function readTensor(scan: Scanner, start: number, end: number, external: ExternalData): Held {
  const bodyStart = scan.pos;
  const dims: number[] = [];
  let code = 0;
  let name = '';
  let docString = '';
  let location = 0;
  let raw: Piece | null = null;
  const metadata: (readonly [string, string])[] = [];
  const entries: (readonly [string, string])[] = [];
  const data = new Map<number, { packed: Piece[]; single: Piece[]; all: Piece[] }>();
  const strings: Piece[] = [];
  const unknown: RawField[] = [];
  while (scan.pos < end) {
    const at = scan.pos;
    const [field, wire] = scan.tag();
    const elementWire = DATA_FIELDS.get(field);
    if (field === 1 && wire === VARINT) dims.push(readDim(scan));
    else if (field === 1 && wire === BYTES) {
      for (const stop = scan.length(end) + scan.pos; scan.pos < stop; ) dims.push(readDim(scan));
    } else if (field === 2 && wire === VARINT) code = scan.int32();
    else if (elementWire !== undefined && (wire === BYTES || wire === elementWire)) {
      const held = data.get(field) ?? { packed: [], single: [], all: [] };
      data.set(field, held);
      const length = wire === BYTES ? scan.length(end) : 0;
      const offset = scan.pos;
      if (wire === BYTES) scan.pos += length;
      else scan.skip(wire, end);
      const piece = { offset, length: scan.pos - offset };
      (wire === BYTES ? held.packed : held.single).push(piece);
      held.all.push(piece);
    } else if (field === 6 && wire === BYTES) {
      const length = scan.length(end);
      strings.push({ offset: scan.pos, length });
      scan.pos += length;
    } else if (field === 8 && wire === BYTES) name = scan.string(scan.length(end));
    else if (field === 9 && wire === BYTES) {
      const length = scan.length(end);
      raw = { offset: scan.pos, length };
      scan.pos += length;
    } else if (field === 12 && wire === BYTES) docString = scan.string(scan.length(end));
    else if (field === 13 && wire === BYTES) entries.push(readEntry(scan, end));
    else if (field === 14 && wire === VARINT) location = scan.uint();
    else if (field === 16 && wire === BYTES) metadata.push(readEntry(scan, end));
    else {
      scan.skip(wire, end);
      unknown.push({ field, source: scan.source, offset: at, length: scan.pos - at });
    }
    if (dims.length > MAX_RANK) scan.exceeds(`a tensor of rank ${dims.length}`, `${MAX_RANK} dimensions`);
    if (scan.pos > end) scan.fail('a field runs past the end of its tensor', at);
  }
  const carried: TensorCarried = {
    source: scan.source,
    start,
    offset: bodyStart,
    length: end - bodyStart,
    unknown,
    name,
    docString,
    metadata,
    external: location === 1 ? entries : null,
  };
  const dtype = dtypeFromOnnx(code);
  const bad = (why: string): never => fail(badTensor({ name, file: scan.source.path, why }));
  const negative = dims.find((dim) => dim < 0);
  if (negative !== undefined) bad(`a dimension is ${negative}`);
  const count = elementCount(dims);
  if (!Number.isSafeInteger(count) || count > MAX_DIM / 16) bad(`its shape [${dims.join(',')}] overflows`);
  if (location === 1) {
    if (dtype === 'string')
      bad('its strings are to lie in another file, and ONNX keeps strings in the model');
    return external.tensor(dtype, dims, carried);
  }
  if (dtype === 'string') return new FileStrings(dims, carried, scan.source, strings);
  const inFile = (piece: Piece): FileTensor =>
    new FileTensor(
      dtype,
      dims,
      piece.length,
      {
        path: scan.source.path,
        offset: piece.offset,
        locate: () => ({ source: scan.source, offset: piece.offset }),
      },
      carried,
    );
  if (raw) return inFile(raw);
  const field = fieldOf(dtype);
  const held = data.get(field);
  const width = byteLengthOf(dtype, count);
  if (!held || width === null) return inFile({ offset: end, length: 0 });
  const littleEndian = field === 4 || field === 10;
  if (littleEndian && held.packed.length === 1 && held.single.length === 0) return inFile(held.packed[0]!);
  return new TypedTensor(dtype, dims, carried, () => {
    const bytes = littleEndian
      ? joinPieces(scan.source, held.all)
      : decodeVarints(scan.source, held.all, dtype, count);
    if (bytes.byteLength !== width) bad(`${width} bytes of data are needed, ${bytes.byteLength} are stored`);
    return bytes;
  });
}

function readDim(scan: Scanner): number {
  const dim = scan.int64();
  return typeof dim === 'bigint' ? Number(dim) : dim;
}

/** StringStringEntryProto. */
export function readEntry(scan: Scanner, outerEnd: number): readonly [string, string] {
  const end = scan.length(outerEnd) + scan.pos;
  let key = '';
  let value = '';
  while (scan.pos < end) {
    const [field, wire] = scan.tag();
    if (field === 1 && wire === BYTES) key = scan.string(scan.length(end));
    else if (field === 2 && wire === BYTES) value = scan.string(scan.length(end));
    else scan.skip(wire, end);
  }
  return [key, value];
}

/** The typed field that holds elements of a type when raw_data does not (onnx.proto, TensorProto). */
function fieldOf(dtype: DType): number {
  if (dtype === 'f32' || dtype === 'c64') return 4;
  if (dtype === 'f64' || dtype === 'c128') return 10;
  if (dtype === 'i64') return 7;
  return dtype === 'u64' || dtype === 'u32' ? 11 : 5;
}

function joinPieces(source: ByteSource, pieces: readonly Piece[]): Uint8Array {
  return concatBytes(pieces.map(({ offset, length }) => source.read(offset, length)));
}

/** Varint elements to packed little-endian bytes of the type's width; 4-bit types come as whole bytes already. */
function decodeVarints(
  source: ByteSource,
  pieces: readonly Piece[],
  dtype: DType,
  count: number,
): Uint8Array {
  const bits = Math.max(8, dtypeBits(dtype));
  const width = bits / 8;
  const total = dtypeBits(dtype) < 8 ? (byteLengthOf(dtype, count) ?? 0) : count;
  const out = new Uint8Array(total * width);
  let filled = 0;
  for (const piece of pieces) {
    const raw = source.read(piece.offset, piece.length);
    let value = 0n;
    let shift = 0n;
    for (const byte of raw) {
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte >= 0x80) continue;
      // one element more than fits is enough for the caller to see that the length is wrong
      if (filled >= total) return new Uint8Array((total + 1) * width);
      for (let i = 0; i < width; i++) out[filled * width + i] = Number((value >> BigInt(8 * i)) & 0xffn);
      filled++;
      value = 0n;
      shift = 0n;
    }
  }
  return filled === total ? out : out.subarray(0, filled * width);
}
