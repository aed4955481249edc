import type { ByteSource } from '../carried.js';
import { badOnnxAdapter, cannotStore, onnxAdapterVersion } from '../codes/files.js';
import { fail } from '../diagnostics.js';
import { byteLengthOf, dtypeBits, dtypeFromOnnx, dtypeToOnnx } from '../dtype.js';
import { FileTensor } from '../onnx/tensor-read.js';
import { elementCount } from '../shape.js';
import type { TensorData } from '../tensor.js';
import { type Output, writeAtomically } from './atomic.js';
import { FileSource } from './file-source.js';
import { FlatReader } from './flat-read.js';

/**
 * `.onnx_adapter`, the file of ONNX Runtime's LoraAdapter: FlatBuffers with identifier TORT and the schema
 *   Adapter { format_version: int; adapter_version: int; model_version: int; parameters: [Parameter] }
 *   Parameter { name: string; dims: [int64]; data_type: int (TensorProto.DataType); raw_data: [ubyte], 8-aligned }.
 * Parameter names are names of graph inputs. The writer is our own because it streams and its bytes are fixed; the reader
 * is because it must check what it follows.
 */
const IDENTIFIER = 'TORT';
const FORMAT_VERSION = 1;
/** Offsets of FlatBuffers are meant to fit into a signed 32-bit number. */
const MAX_FILE = 0x7fffffff;
const MAX_RANK = 64;

export interface OnnxAdapter {
  readonly adapterVersion: number;
  readonly modelVersion: number;
  readonly tensors: Map<string, TensorData>;
}

/**
 * Reads the structure of a file; data are ranges of the file. Throws LOTR1002 when it cannot be opened, LOTR7101 when it
 * is malformed, LOTR7102 when its format version is not 1.
 */
export function readOnnxAdapter(path: string): OnnxAdapter {
  return readOnnxAdapterFrom(new FileSource(path));
}

/** As {@link readOnnxAdapter}, from any byte source. */
export function readOnnxAdapterFrom(source: ByteSource): OnnxAdapter {
  const file = source.path;
  const flat = new FlatReader(source, (offset, why) => fail(badOnnxAdapter({ file, offset, why })));
  const root = flat.root(IDENTIFIER);
  const version = flat.int32(root, 0);
  if (version !== FORMAT_VERSION) fail(onnxAdapterVersion({ file, version }));
  const tensors = new Map<string, TensorData>();
  for (const at of flat.tables(root, 3)) {
    const name = flat.text(at, 0) ?? flat.refuse(at, 'a parameter has no name');
    const wrong = (why: string): never => flat.refuse(at, `parameter "${name}": ${why}`);
    if (tensors.has(name)) wrong('the name appears twice');
    const shape = flat
      .int64s(at, 1, MAX_RANK)
      .map((dim) => (dim >= 0 ? dim : wrong(`it has a dimension of ${dim}`)));
    const code = flat.int32(at, 2);
    const dtype = dtypeFromOnnx(code);
    if (dtypeBits(dtype) === 0) wrong(`element type ${code} has no fixed size`);
    const data = flat.bytes(at, 3) ?? { offset: at, length: 0 };
    const wanted = byteLengthOf(dtype, elementCount(shape));
    if (wanted !== data.length) {
      wrong(`${dtype}[${shape.join(',')}] takes ${wanted} bytes, and there are ${data.length}`);
    }
    const place = { path: file, offset: data.offset, locate: () => ({ source, offset: data.offset }) };
    tensors.set(name, new FileTensor(dtype, shape, data.length, place, null));
  }
  return { adapterVersion: flat.int32(root, 1), modelVersion: flat.int32(root, 2), tensors };
}

/** Parts of the file before the parameters: root offset and identifier, then Adapter with its vtable, as laid out below. */
const ADAPTER_VTABLE = 8;
const ADAPTER = 20;
const PARAMETER_VTABLE = 40;
const LIST = 52;
const PARAMETER_SIZE = 20;
/** Both tables hold four fields of four bytes each, after the four bytes that point at the vtable. */
const VTABLE = [12, 20, 4, 8, 12, 16];

interface Laid {
  readonly name: Buffer;
  readonly data: TensorData;
  readonly table: number;
  nameAt: number;
  dimsAt: number;
  dataAt: number;
}

/**
 * One .onnx_adapter file as an output of `writeAtomically`; parameters in the order given, equal arguments give equal
 * bytes, data is streamed. The versions are numbers of the user's choice, 1 by default. Throws LOTR7003 when a tensor
 * has no place in such a file or the file would exceed 2 GiB.
 */
export function onnxAdapterOutput(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  versions: { readonly adapter?: number; readonly model?: number } = {},
): Output {
  const refuse = (name: string, why: string): never => fail(cannotStore({ file: path, name, why }));
  let at = LIST + 4 + 4 * tensors.size;
  const laid = [...tensors].map(([name, data]): Laid => {
    if (dtypeBits(data.dtype) < 8) refuse(name, `its elements are ${data.dtype}`);
    if (/\p{Surrogate}/u.test(name)) refuse(name, 'the name holds half a surrogate pair, which is not text');
    const table = at;
    at += PARAMETER_SIZE;
    return { name: Buffer.from(name), data, table, nameAt: 0, dimsAt: 0, dataAt: 0 };
  });
  for (const row of laid) {
    row.nameAt = at;
    // vectors begin with their 4-byte count; what follows it is aligned
    row.dimsAt = align(at + 4 + row.name.byteLength + 1 + 4, 8) - 4;
    row.dataAt = align(row.dimsAt + 4 + 8 * row.data.shape.length + 4, 8) - 4;
    at = align(row.dataAt + 4 + row.data.byteLength, 4);
    if (at > MAX_FILE) refuse(row.name.toString(), 'the file would exceed 2 GiB');
  }
  return {
    path,
    write(sink) {
      const head = Buffer.alloc(laid[0]?.nameAt ?? LIST + 4);
      head.writeUInt32LE(ADAPTER, 0);
      head.write(IDENTIFIER, 4, 'latin1');
      for (const vtable of [ADAPTER_VTABLE, PARAMETER_VTABLE]) {
        for (const [k, value] of VTABLE.entries()) head.writeUInt16LE(value, vtable + 2 * k);
      }
      head.writeInt32LE(ADAPTER - ADAPTER_VTABLE, ADAPTER);
      head.writeInt32LE(FORMAT_VERSION, ADAPTER + 4);
      head.writeInt32LE(versions.adapter ?? 1, ADAPTER + 8);
      head.writeInt32LE(versions.model ?? 1, ADAPTER + 12);
      head.writeUInt32LE(LIST - (ADAPTER + 16), ADAPTER + 16);
      head.writeUInt32LE(laid.length, LIST);
      for (const [k, { table, nameAt, dimsAt, dataAt, data }] of laid.entries()) {
        const slot = LIST + 4 + 4 * k;
        head.writeUInt32LE(table - slot, slot);
        head.writeInt32LE(table - PARAMETER_VTABLE, table);
        head.writeUInt32LE(nameAt - (table + 4), table + 4);
        head.writeUInt32LE(dimsAt - (table + 8), table + 8);
        head.writeInt32LE(dtypeToOnnx(data.dtype), table + 12);
        head.writeUInt32LE(dataAt - (table + 16), table + 16);
      }
      sink.write(head);
      for (const [k, row] of laid.entries()) {
        const front = Buffer.alloc(row.dataAt + 4 - row.nameAt);
        front.writeUInt32LE(row.name.byteLength, 0);
        front.set(row.name, 4);
        const dims = row.dimsAt - row.nameAt;
        front.writeUInt32LE(row.data.shape.length, dims);
        for (const [d, dim] of row.data.shape.entries()) front.writeBigInt64LE(BigInt(dim), dims + 4 + 8 * d);
        front.writeUInt32LE(row.data.byteLength, row.dataAt - row.nameAt);
        sink.write(front);
        row.data.copyTo(sink);
        const end = row.dataAt + 4 + row.data.byteLength;
        const next = laid[k + 1]?.nameAt ?? at;
        if (next > end) sink.write(new Uint8Array(next - end));
      }
    },
  };
}

/** Writes one file atomically; see {@link onnxAdapterOutput}. Throws LOTR7003 and LOTR1201. */
export function writeOnnxAdapter(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  versions: { readonly adapter?: number; readonly model?: number } = {},
): void {
  writeAtomically([onnxAdapterOutput(path, tensors, versions)]);
}

function align(offset: number, to: number): number {
  return Math.ceil(offset / to) * to;
}
