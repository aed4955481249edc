import { byteLengthOf, type DType, dtypeBits } from '../dtype.js';
import { fromBf16, fromF16, toBf16, toF16 } from '../half.js';
import { elementCount } from '../shape.js';
import { bf16Text, f16Text, f32Text, f64Text, parseFloatText } from './numbers.js';

/** A number as it was in the text. */
export interface Literal {
  readonly kind: 'int' | 'float';
  readonly text: string;
}

/**
 * How elements of one type read and print. `print` gives null when no literal of the type represents the bits (a NaN
 * with a payload, a boolean 7); the tensor is then shown as bytes. `parse` gives null when the literal does not fit.
 */
interface Codec {
  print(view: DataView, at: number): string | null;
  parse(view: DataView, at: number, literal: Literal): true | null;
}

function integer(bits: 8 | 16 | 32 | 64, signed: boolean): Codec {
  const least = signed ? -(1n << BigInt(bits - 1)) : 0n;
  const most = signed ? (1n << BigInt(bits - 1)) - 1n : (1n << BigInt(bits)) - 1n;
  return {
    print(view, at) {
      if (bits === 64) return String(signed ? view.getBigInt64(at, true) : view.getBigUint64(at, true));
      if (bits === 32) return String(signed ? view.getInt32(at, true) : view.getUint32(at, true));
      if (bits === 16) return String(signed ? view.getInt16(at, true) : view.getUint16(at, true));
      return String(signed ? view.getInt8(at) : view.getUint8(at));
    },
    parse(view, at, { kind, text }) {
      if (kind !== 'int') return null;
      const value = BigInt(text);
      if (value < least || value > most) return null;
      if (bits === 64) view.setBigUint64(at, BigInt.asUintN(64, value), true);
      else if (bits === 32) view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
      else if (bits === 16) view.setUint16(at, Number(BigInt.asUintN(16, value)), true);
      else view.setUint8(at, Number(BigInt.asUintN(8, value)));
      return true;
    },
  };
}

/** Floats wider than 8 bits. The quiet NaN without payload prints as `nan` or `-nan`; other NaNs have no literal. */
const f32: Codec = {
  print(view, at) {
    const bits = view.getUint32(at, true);
    const value = view.getFloat32(at, true);
    if (!Number.isNaN(value)) return f32Text(value);
    return bits === 0x7fc00000 ? 'nan' : bits === 0xffc00000 ? '-nan' : null;
  },
  parse(view, at, { text }) {
    const value = parseFloatText(text);
    if (Number.isNaN(value)) view.setUint32(at, text.startsWith('-') ? 0xffc00000 : 0x7fc00000, true);
    else view.setFloat32(at, value, true);
    return true;
  },
};

const f64: Codec = {
  print(view, at) {
    const bits = view.getBigUint64(at, true);
    const value = view.getFloat64(at, true);
    if (!Number.isNaN(value)) return f64Text(value);
    return bits === 0x7ff8n << 48n ? 'nan' : bits === 0xfff8n << 48n ? '-nan' : null;
  },
  parse(view, at, { text }) {
    const value = parseFloatText(text);
    if (Number.isNaN(value)) view.setBigUint64(at, (text.startsWith('-') ? 0xfff8n : 0x7ff8n) << 48n, true);
    else view.setFloat64(at, value, true);
    return true;
  },
};

/** 16-bit floats print as values; an integer literal is, as in ONNX's syntax, the bit pattern. */
function half(
  quiet: number,
  from: (bits: number) => number,
  to: (value: number) => number,
  print: (value: number) => string,
): Codec {
  return {
    print(view, at) {
      const bits = view.getUint16(at, true);
      const value = from(bits);
      if (!Number.isNaN(value)) return print(value);
      return bits === quiet ? 'nan' : bits === (quiet | 0x8000) ? '-nan' : String(bits);
    },
    parse(view, at, literal) {
      const { kind, text } = literal;
      if (kind === 'int') return integer(16, false).parse(view, at, literal);
      const value = parseFloatText(text);
      const bits = Number.isNaN(value) && text.startsWith('-') ? quiet | 0x8000 : to(value);
      view.setUint16(at, bits, true);
      return true;
    },
  };
}

const bool: Codec = {
  print(view, at) {
    const byte = view.getUint8(at);
    return byte > 1 ? null : String(byte);
  },
  parse(view, at, { kind, text }) {
    if (kind !== 'int' || (text !== '0' && text !== '1')) return null;
    view.setUint8(at, Number(text));
    return true;
  },
};

const u8 = integer(8, false);
/** Types of whole bytes; the 8-bit floats print as byte patterns, as ONNX does. */
const CODECS: ReadonlyMap<DType, Codec> = new Map<DType, Codec>([
  ['f32', f32],
  ['f64', f64],
  ['f16', half(0x7e00, fromF16, toF16, f16Text)],
  ['bf16', half(0x7fc0, fromBf16, toBf16, bf16Text)],
  ['i64', integer(64, true)],
  ['u64', integer(64, false)],
  ['i32', integer(32, true)],
  ['u32', integer(32, false)],
  ['i16', integer(16, true)],
  ['u16', integer(16, false)],
  ['i8', integer(8, true)],
  ['u8', u8],
  ['bool', bool],
  ['f8e4m3fn', u8],
  ['f8e4m3fnuz', u8],
  ['f8e5m2', u8],
  ['f8e5m2fnuz', u8],
  ['f8e8m0', u8],
]);

/** Literals of packed elements, or null when they cannot say the bytes exactly (see {@link Codec}). */
export function printElements(dtype: DType, shape: readonly number[], bytes: Uint8Array): string[] | null {
  const count = elementCount(shape);
  if (byteLengthOf(dtype, count) !== bytes.byteLength) return null;
  if (dtype === 'i4' || dtype === 'u4') return printNibbles(dtype, count, bytes);
  const codec = CODECS.get(dtype);
  if (!codec) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = dtypeBits(dtype) / 8;
  const texts: string[] = [];
  for (let i = 0; i < count; i++) {
    const text = codec.print(view, i * width);
    if (text === null) return null;
    texts.push(text);
  }
  return texts;
}

/** 4-bit elements, the first of a byte in its low half; null when the unused half of the last byte is not zero. */
function printNibbles(dtype: 'i4' | 'u4', count: number, bytes: Uint8Array): string[] | null {
  if (count % 2 === 1 && bytes[bytes.length - 1]! >> 4 !== 0) return null;
  return Array.from({ length: count }, (_, i) => {
    const nibble = (bytes[i >> 1]! >> (i % 2 === 1 ? 4 : 0)) & 15;
    return String(dtype === 'i4' && nibble > 7 ? nibble - 16 : nibble);
  });
}

/** Whether elements of a type may be written one by one. */
export function hasLiterals(dtype: DType): boolean {
  return dtype === 'i4' || dtype === 'u4' || CODECS.has(dtype);
}

/** Packed bytes of literals, or the index of the first one that does not fit the type. */
export function parseElements(dtype: DType, literals: readonly Literal[]): Uint8Array | number {
  const bytes = new Uint8Array(byteLengthOf(dtype, literals.length) ?? 0);
  if (dtype === 'i4' || dtype === 'u4') {
    for (const [i, { kind, text }] of literals.entries()) {
      const value = kind === 'int' ? Number(text) : Number.NaN;
      const fits = dtype === 'i4' ? value >= -8 && value <= 7 : value >= 0 && value <= 15;
      if (!fits) return i;
      bytes[i >> 1]! |= (value & 15) << (i % 2 === 1 ? 4 : 0);
    }
    return bytes;
  }
  const codec = CODECS.get(dtype);
  if (!codec) throw new Error(`${dtype} has no literals`);
  const view = new DataView(bytes.buffer);
  const width = dtypeBits(dtype) / 8;
  for (const [i, literal] of literals.entries()) {
    if (codec.parse(view, i * width, literal) === null) return i;
  }
  return bytes;
}
