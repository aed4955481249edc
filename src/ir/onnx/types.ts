import protobuf from 'protobufjs/minimal.js';
import { dtypeFromOnnx, dtypeToOnnx } from '../dtype.js';
import type { Dim, TensorType, ValueType } from '../shape.js';
import { MemorySource } from './source.js';
import { BYTES, Scanner, VARINT } from './wire.js';

/** Reads a TypeProto. Anything but a dense tensor type is carried as bytes. */
export function readType(proto: Uint8Array): ValueType {
  const scan = new Scanner(new MemorySource(proto, '<type>'), 0);
  let type: ValueType | null = null;
  let others = false;
  while (scan.pos < proto.byteLength) {
    const [field, wire] = scan.tag();
    if (field === 1 && wire === BYTES && type === null) {
      type = readTensorType(scan, scan.length(proto.byteLength) + scan.pos, proto);
    } else {
      others ||= field !== 6; // 6 is the denotation, which is not part of the type
      scan.skip(wire, proto.byteLength);
    }
  }
  return type === null || others ? { kind: 'raw', proto } : type;
}

function readTensorType(scan: Scanner, end: number, proto: Uint8Array): ValueType {
  let code = 0;
  let shape: Dim[] | null = null;
  while (scan.pos < end) {
    const [field, wire] = scan.tag();
    if (field === 1 && wire === VARINT) code = scan.int32();
    else if (field === 2 && wire === BYTES) {
      shape ??= [];
      const stop = scan.length(end) + scan.pos;
      while (scan.pos < stop) {
        const [inner, innerWire] = scan.tag();
        if (inner === 1 && innerWire === BYTES) shape.push(readDim(scan, scan.length(stop) + scan.pos));
        else scan.skip(innerWire, stop);
      }
    } else scan.skip(wire, end);
  }
  return { kind: 'tensor', dtype: dtypeFromOnnx(code), shape, proto };
}

function readDim(scan: Scanner, end: number): Dim {
  let dim: Dim = null;
  while (scan.pos < end) {
    const [field, wire] = scan.tag();
    if (field === 1 && wire === VARINT) dim = Number(scan.int64());
    else if (field === 2 && wire === BYTES) {
      const name = scan.string(scan.length(end));
      dim = name === '' ? null : name;
    } else scan.skip(wire, end);
  }
  // exporters write -1 or other negative numbers for "unknown"
  return typeof dim === 'number' && dim < 0 ? null : dim;
}

/** TypeProto bytes of a type: those it was read from, or a fresh encoding. */
export function encodeType(type: ValueType): Uint8Array {
  if (type.kind === 'raw') return type.proto;
  return type.proto ?? encodeTensorType(type);
}

function encodeTensorType(type: TensorType): Uint8Array {
  const w = protobuf.Writer.create();
  w.uint32(tag(1)).fork().uint32(8).int32(dtypeToOnnx(type.dtype));
  if (type.shape) {
    w.uint32(tag(2)).fork();
    for (const dim of type.shape) {
      w.uint32(tag(1)).fork();
      if (typeof dim === 'number') w.uint32(8).int64(dim);
      else if (dim !== null) w.uint32(tag(2)).string(dim);
      w.ldelim();
    }
    w.ldelim();
  }
  return w.ldelim().finish();
}

/** The tag of a length-delimited field. */
export function tag(field: number): number {
  return (field << 3) | BYTES;
}
