import { sameBytes } from '#platform';
import { concatBytes, utf8Bytes } from '../bytes.js';
import { type DType, dtypeFromOnnx, dtypeToOnnx } from '../dtype.js';
import type { Dim } from '../shape.js';
import { fromUtf8 } from './strings.js';

/** The types that the IR carries as bytes, in the form that the text shows. */
export type Nested =
  | { readonly kind: 'tensor'; readonly dtype: DType; readonly shape: readonly Dim[] | null }
  | { readonly kind: 'sparse'; readonly dtype: DType; readonly shape: readonly Dim[] | null }
  | { readonly kind: 'seq'; readonly of: Nested }
  | { readonly kind: 'optional'; readonly of: Nested }
  | { readonly kind: 'map'; readonly key: DType; readonly of: Nested };

const MAX_DEPTH = 32;

/** Fields of TypeProto (onnx.proto). */
const TENSOR = 1;
const SEQUENCE = 4;
const MAP = 5;
const SPARSE = 8;
const OPTIONAL = 9;

/** Reads TypeProto bytes; null unless {@link encodeNested} of the result gives the same bytes. */
export function decodeNested(proto: Uint8Array): Nested | null {
  const type = decodeType(proto, 0);
  return type && sameBytes(encodeNested(type), proto) ? type : null;
}

type Field = readonly [number, number | Uint8Array];

/** The fields of a message of varints and byte strings below 2^53; null for anything else. */
function fieldsOf(bytes: Uint8Array): Field[] | null {
  const fields: Field[] = [];
  let pos = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[pos++];
      if (byte === undefined || factor > 2 ** 49) return Number.NaN;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (pos < bytes.byteLength) {
    const tag = varint();
    const value = varint();
    if (Number.isNaN(tag) || Number.isNaN(value)) return null;
    if ((tag & 7) === 0) fields.push([tag >> 3, value]);
    else if ((tag & 7) === 2 && pos + value <= bytes.byteLength) {
      fields.push([tag >> 3, bytes.subarray(pos, pos + value)]);
      pos += value;
    } else return null;
  }
  return fields;
}

function decodeType(bytes: Uint8Array, depth: number): Nested | null {
  const fields = fieldsOf(bytes);
  if (fields?.length !== 1 || depth > MAX_DEPTH) return null;
  const [field, body] = fields[0]!;
  const inner = body instanceof Uint8Array ? fieldsOf(body) : null;
  if (!inner) return null;
  const [first, second] = inner;
  if (field === SEQUENCE || field === OPTIONAL) {
    const of = first?.[1] instanceof Uint8Array ? decodeType(first[1], depth + 1) : null;
    return of && { kind: field === SEQUENCE ? 'seq' : 'optional', of };
  }
  if (typeof first?.[1] !== 'number') return null;
  const dtype = dtypeFromOnnx(first[1]);
  if (field === MAP) {
    const of = second?.[1] instanceof Uint8Array ? decodeType(second[1], depth + 1) : null;
    return of && { kind: 'map', key: dtype, of };
  }
  if (field !== TENSOR && field !== SPARSE) return null;
  const shape =
    second === undefined ? null : second[1] instanceof Uint8Array ? decodeShape(second[1]) : undefined;
  return shape === undefined ? null : { kind: field === TENSOR ? 'tensor' : 'sparse', dtype, shape };
}

function decodeShape(bytes: Uint8Array): Dim[] | undefined {
  const dims = fieldsOf(bytes)?.map(([, body]): Dim | undefined => {
    const fields = body instanceof Uint8Array ? fieldsOf(body) : null;
    if (!fields) return undefined;
    const value = fields[0]?.[1] ?? null;
    return value instanceof Uint8Array ? (fromUtf8(value) ?? undefined) : value;
  });
  return dims?.every((dim): dim is Dim => dim !== undefined) ? dims : undefined;
}

/** TypeProto bytes, fields in ascending order. */
export function encodeNested(type: Nested): Uint8Array {
  switch (type.kind) {
    case 'seq':
      return message(SEQUENCE, message(1, encodeNested(type.of)));
    case 'optional':
      return message(OPTIONAL, message(1, encodeNested(type.of)));
    case 'map':
      return message(MAP, number(1, dtypeToOnnx(type.key)), message(2, encodeNested(type.of)));
    default: {
      const shape =
        type.shape === null ? [] : [message(2, ...type.shape.map((dim) => message(1, ...encodeDim(dim))))];
      return message(type.kind === 'tensor' ? TENSOR : SPARSE, number(1, dtypeToOnnx(type.dtype)), ...shape);
    }
  }
}

function encodeDim(dim: Dim): Uint8Array[] {
  if (dim === null) return [];
  return typeof dim === 'number' ? [number(1, dim)] : [message(2, utf8Bytes(dim))];
}

function number(field: number, value: number): Uint8Array {
  return Uint8Array.from([...varint(field * 8), ...varint(value)]);
}

/** A length-delimited field. */
export function message(field: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
  return concatBytes([Uint8Array.from([...varint(field * 8 + 2), ...varint(length)]), ...parts]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  bytes.push(value);
  return bytes;
}
