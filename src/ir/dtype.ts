/**
 * Element types. Names are short and fixed; the numbers are those of `TensorProto.DataType` in the ONNX
 * specification (onnx.proto, IR version 13). A number that is not in the table is carried as `opaque:N`.
 */
export type DType =
  | 'f64'
  | 'f32'
  | 'f16'
  | 'bf16'
  | 'i64'
  | 'i32'
  | 'i16'
  | 'i8'
  | 'u64'
  | 'u32'
  | 'u16'
  | 'u8'
  | 'i4'
  | 'u4'
  | 'bool'
  | 'string'
  | 'c64'
  | 'c128'
  | 'f8e4m3fn'
  | 'f8e4m3fnuz'
  | 'f8e5m2'
  | 'f8e5m2fnuz'
  | 'f4e2m1'
  | 'f8e8m0'
  | 'u2'
  | 'i2'
  | `opaque:${number}`;

/** name, ONNX enum number, ONNX text name, bits per element (0: variable or unknown) */
const TABLE: readonly (readonly [DType, number, string, number])[] = [
  ['f32', 1, 'float', 32],
  ['u8', 2, 'uint8', 8],
  ['i8', 3, 'int8', 8],
  ['u16', 4, 'uint16', 16],
  ['i16', 5, 'int16', 16],
  ['i32', 6, 'int32', 32],
  ['i64', 7, 'int64', 64],
  ['string', 8, 'string', 0],
  ['bool', 9, 'bool', 8],
  ['f16', 10, 'float16', 16],
  ['f64', 11, 'double', 64],
  ['u32', 12, 'uint32', 32],
  ['u64', 13, 'uint64', 64],
  ['c64', 14, 'complex64', 64],
  ['c128', 15, 'complex128', 128],
  ['bf16', 16, 'bfloat16', 16],
  ['f8e4m3fn', 17, 'float8e4m3fn', 8],
  ['f8e4m3fnuz', 18, 'float8e4m3fnuz', 8],
  ['f8e5m2', 19, 'float8e5m2', 8],
  ['f8e5m2fnuz', 20, 'float8e5m2fnuz', 8],
  ['u4', 21, 'uint4', 4],
  ['i4', 22, 'int4', 4],
  ['f4e2m1', 23, 'float4e2m1', 4],
  ['f8e8m0', 24, 'float8e8m0', 8],
  ['u2', 25, 'uint2', 2],
  ['i2', 26, 'int2', 2],
];

const BY_NUMBER = new Map(TABLE.map((row) => [row[1], row]));
const BY_NAME = new Map(TABLE.map((row) => [row[0], row]));
const BY_TEXT = new Map(TABLE.map((row) => [row[2], row]));

/** Every element type that has a name of its own. */
export function allDTypes(): readonly DType[] {
  return TABLE.map(([name]) => name);
}

/** The element type of an ONNX enum number; unknown numbers are kept as `opaque:N`. */
export function dtypeFromOnnx(code: number): DType {
  return BY_NUMBER.get(code)?.[0] ?? `opaque:${code}`;
}

/** The ONNX enum number of an element type. */
export function dtypeToOnnx(dtype: DType): number {
  return BY_NAME.get(dtype)?.[1] ?? Number(dtype.slice('opaque:'.length));
}

/** The name that ONNX's textual syntax uses (`float`, `int64`, ...); unknown types print as `opaque_N`. */
export function dtypeText(dtype: DType): string {
  return BY_NAME.get(dtype)?.[2] ?? dtype.replace(':', '_');
}

/** Inverse of {@link dtypeText}; null when the word is not a type. */
export function dtypeFromText(word: string): DType | null {
  const row = BY_TEXT.get(word);
  if (row) return row[0];
  const opaque = /^opaque_(\d+)$/.exec(word);
  return opaque ? `opaque:${Number(opaque[1])}` : null;
}

/** Bits per element; 0 when elements have no fixed size (strings, unknown types). */
export function dtypeBits(dtype: DType): number {
  return BY_NAME.get(dtype)?.[3] ?? 0;
}

/** Bytes that `count` packed elements take (4-bit types pack two to a byte); null for strings and unknown types. */
export function byteLengthOf(dtype: DType, count: number): number | null {
  const bits = dtypeBits(dtype);
  return bits === 0 ? null : Math.ceil((count * bits) / 8);
}

export function isFloat(dtype: DType): dtype is 'f64' | 'f32' | 'f16' | 'bf16' {
  return dtype === 'f32' || dtype === 'f64' || dtype === 'f16' || dtype === 'bf16';
}
