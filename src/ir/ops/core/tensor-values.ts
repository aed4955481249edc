import type { DType } from '../../dtype.js';
import { fromBf16, fromF16 } from '../../half.js';
import { elementCount } from '../../shape.js';
import type { TensorData } from '../../tensor.js';
import { requireWhole } from '../../values.js';
import type { NdArray } from './define.js';
import type { Ints } from './dims.js';

/** Numbers out of packed little-endian tensor data, whatever its alignment. */

type Reader = (view: DataView, index: number) => number;

const READERS: Partial<Record<DType, Reader>> = {
  f64: (v, i) => v.getFloat64(i * 8, true),
  f32: (v, i) => v.getFloat32(i * 4, true),
  f16: (v, i) => fromF16(v.getUint16(i * 2, true)),
  bf16: (v, i) => fromBf16(v.getUint16(i * 2, true)),
  i64: (v, i) => Number(v.getBigInt64(i * 8, true)),
  i32: (v, i) => v.getInt32(i * 4, true),
  i16: (v, i) => v.getInt16(i * 2, true),
  i8: (v, i) => v.getInt8(i),
  u64: (v, i) => Number(v.getBigUint64(i * 8, true)),
  u32: (v, i) => v.getUint32(i * 4, true),
  u16: (v, i) => v.getUint16(i * 2, true),
  u8: (v, i) => v.getUint8(i),
  bool: (v, i) => (v.getUint8(i) === 0 ? 0 : 1),
  u4: (v, i) => (v.getUint8(i >> 1) >> (4 * (i & 1))) & 15,
  i4: (v, i) => (((v.getUint8(i >> 1) >> (4 * (i & 1))) & 15) << 28) >> 28,
};

const INTEGERS: ReadonlySet<DType> = new Set([
  'i64',
  'i32',
  'i16',
  'i8',
  'u64',
  'u32',
  'u16',
  'u8',
  'i4',
  'u4',
  'bool',
]);

export function isInteger(dtype: DType): boolean {
  return INTEGERS.has(dtype);
}

/**
 * A tensor as float64 (integers beyond 2^53 are rounded); null for strings and types that have no reader. Throws LOTR1005
 * when it has another number of bytes than its shape needs.
 */
export function ndOf(tensor: TensorData): NdArray | null {
  const read = READERS[tensor.dtype];
  if (!read) return null;
  requireWhole(tensor);
  const bytes = tensor.bytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data = Float64Array.from({ length: elementCount(tensor.shape) }, (_, i) => read(view, i));
  return { shape: tensor.shape, data };
}

/** A tensor with more integers than this is not a shape, axes or an index list, and is not followed. */
export const MAX_INTS = 1024;

/** The elements of a small integer or boolean tensor; null for any other. */
export function intsOf(tensor: TensorData): Ints | null {
  if (!isInteger(tensor.dtype) || elementCount(tensor.shape) > MAX_INTS) return null;
  const values = ndOf(tensor)!.data;
  return Array.from(values);
}
