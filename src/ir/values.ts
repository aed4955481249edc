import { badTensor } from './codes/load.js';
import { fail } from './diagnostics.js';
import { byteLengthOf, type DType, isFloat } from './dtype.js';
import { fromBf16, fromF16, toBf16, toF16 } from './half.js';
import { elementCount } from './shape.js';
import type { TensorData } from './tensor.js';

/**
 * Elements as numbers. The only place that lays typed arrays over tensor bytes: file ranges start anywhere, and a typed
 * array over an unaligned offset throws.
 */

/** Throws LOTR1005 when a tensor has another number of bytes than its type and shape need. Reads nothing. */
export function requireWhole({ dtype, shape, byteLength, carried }: TensorData): void {
  const wanted = byteLengthOf(dtype, elementCount(shape));
  if (wanted === null || wanted === byteLength) return;
  const { name = '', source } = carried ?? {};
  const why = `${wanted} bytes of data are needed, ${byteLength} are stored`;
  fail(badTensor({ name, file: source?.path ?? '<model>', why }));
}

/** A float tensor's elements in float64. Throws LOTR1005, and for other types. */
export function toF64(tensor: TensorData): Float64Array {
  const raw = aligned(tensor);
  switch (tensor.dtype) {
    case 'f64':
      return new Float64Array(raw);
    case 'f32':
      return new Float64Array(new Float32Array(raw));
    case 'f16':
      return Float64Array.from(new Uint16Array(raw), fromF16);
    case 'bf16':
      return Float64Array.from(new Uint16Array(raw), fromBf16);
    default:
      throw new Error(`a ${tensor.dtype} tensor holds no floating-point numbers`);
  }
}

/** A float32 tensor's elements. */
export function toF32(tensor: TensorData): Float32Array {
  if (tensor.dtype !== 'f32') throw new Error(`a ${tensor.dtype} tensor is not float32`);
  return new Float32Array(aligned(tensor));
}

/** Integer elements as numbers (int64 beyond 2^53 loses precision). Throws for float, string and 4-bit types. */
export function toIntegers(tensor: TensorData): number[] {
  const raw = aligned(tensor);
  switch (tensor.dtype) {
    case 'i64':
      return Array.from(new BigInt64Array(raw), Number);
    case 'u64':
      return Array.from(new BigUint64Array(raw), Number);
    case 'i32':
      return Array.from(new Int32Array(raw));
    case 'u32':
      return Array.from(new Uint32Array(raw));
    case 'i16':
      return Array.from(new Int16Array(raw));
    case 'u16':
      return Array.from(new Uint16Array(raw));
    case 'i8':
      return Array.from(new Int8Array(raw));
    case 'u8':
    case 'bool':
      return Array.from(new Uint8Array(raw));
    default:
      throw new Error(`a ${tensor.dtype} tensor holds no integers`);
  }
}

/** Little-endian bytes of numbers in a float type, each rounded once to nearest even. */
export function encodeFloats(dtype: DType, values: ArrayLike<number>): Uint8Array {
  if (!isFloat(dtype)) throw new Error(`${dtype} is not a floating-point type`);
  // the constructors copy any array-like, many times faster than `from`
  if (dtype === 'f64') return new Uint8Array(new Float64Array(values).buffer);
  if (dtype === 'f32') return new Uint8Array(new Float32Array(values).buffer);
  const round = dtype === 'f16' ? toF16 : toBf16;
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) out[i] = round(values[i]!);
  return new Uint8Array(out.buffer);
}

/** The bytes in a buffer of their own, so that any typed array may lie over them. */
function aligned(tensor: TensorData): ArrayBuffer {
  requireWhole(tensor);
  const bytes = tensor.bytes();
  const whole = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength;
  return (whole ? bytes.buffer : Uint8Array.from(bytes).buffer) as ArrayBuffer;
}
