import type protobuf from 'protobufjs/minimal.js';
import { fromBf16, fromF16 } from '../../ir/half.js';
import { fields } from './fields.js';

/** How one element of a TensorFlow type lies in `tensor_content`, by the number of DataType (types.proto). */
const READERS: Readonly<Record<number, { readonly bytes: number; read(view: DataView): number }>> = {
  1: { bytes: 4, read: (view) => view.getFloat32(0, true) },
  2: { bytes: 8, read: (view) => view.getFloat64(0, true) },
  3: { bytes: 4, read: (view) => view.getInt32(0, true) },
  4: { bytes: 1, read: (view) => view.getUint8(0) },
  5: { bytes: 2, read: (view) => view.getInt16(0, true) },
  6: { bytes: 1, read: (view) => view.getInt8(0) },
  9: { bytes: 8, read: (view) => Number(view.getBigInt64(0, true)) },
  10: { bytes: 1, read: (view) => view.getUint8(0) },
  14: { bytes: 2, read: (view) => fromBf16(view.getUint16(0, true)) },
  17: { bytes: 2, read: (view) => view.getUint16(0, true) },
  19: { bytes: 2, read: (view) => fromF16(view.getUint16(0, true)) },
  22: { bytes: 4, read: (view) => view.getUint32(0, true) },
  23: { bytes: 8, read: (view) => Number(view.getBigUint64(0, true)) },
};
const BFLOAT16 = 14;
const HALF = 19;

/**
 * The value of a TensorProto (tensorflow/core/framework/tensor.proto) with one element of a number type, null for any
 * other: dtype = 1, tensor_shape = 2, tensor_content = 4, and by type float_val = 5, double_val = 6, int_val = 7,
 * int64_val = 10, bool_val = 11, half_val = 13, uint32_val = 16, uint64_val = 17, each packed or not.
 */
export function scalarOfProto(bytes: Uint8Array): number | null {
  let [dtype, elements] = [0, 1];
  let content: Uint8Array | null = null;
  const values: number[] = [];
  for (const { tag, reader } of fields(bytes)) {
    const one = VALUES[tag >>> 3];
    if (tag === 8) dtype = reader.int32();
    else if (tag === 18) elements = elementsOf(reader.bytes());
    else if (tag === 34) content = reader.bytes();
    else if (one && (tag & 7) === 2) {
      for (const end = reader.uint32() + reader.pos; reader.pos < end; ) values.push(one(reader));
    } else if (one) values.push(one(reader));
  }
  const type = READERS[dtype];
  if (!type || elements !== 1) return null;
  if (content) {
    if (content.byteLength !== type.bytes) return null;
    return type.read(new DataView(content.buffer, content.byteOffset, content.byteLength));
  }
  // a tensor of zeros may store nothing at all
  const [value = 0] = values;
  return dtype === HALF ? fromF16(value) : dtype === BFLOAT16 ? fromBf16(value) : value;
}

const VALUES: Readonly<Record<number, (reader: protobuf.Reader) => number>> = {
  5: (reader) => reader.float(),
  6: (reader) => reader.double(),
  7: (reader) => reader.int32(),
  10: (reader) => Number(reader.int64()),
  11: (reader) => Number(reader.bool()),
  13: (reader) => reader.int32(),
  16: (reader) => reader.uint32(),
  17: (reader) => Number(reader.uint64()),
};

/** TensorShapeProto { dim = 2 { size = 1 int64 } }. */
function elementsOf(shape: Uint8Array): number {
  let elements = 1;
  for (const outer of fields(shape)) {
    if (outer.tag !== 18) continue;
    let size = 0;
    for (const { tag, reader } of fields(outer.reader.bytes())) if (tag === 8) size = Number(reader.int64());
    elements *= size;
  }
  return elements;
}
