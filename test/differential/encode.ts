import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { onnx as Onnx } from 'onnx-proto';
import {
  type Attr,
  type Case,
  type ElementType,
  type FunctionBody,
  isFloating,
  type Nd,
  type Net,
  type Op,
  type Port,
} from './graph.js';
import { TYPE_NUMBERS } from './ops.js';

// an encoder generated from onnx.proto, independent of lotrc's
const { onnx } = createRequire(import.meta.url)('onnx-proto') as typeof import('onnx-proto');

const WIDTHS: Readonly<Record<ElementType, number>> = {
  f32: 4,
  f64: 8,
  f16: 2,
  bf16: 2,
  i64: 8,
  i32: 4,
  i8: 1,
  u8: 1,
  bool: 1,
};

const word = new DataView(new ArrayBuffer(8));

/** The bits of a number that float16 holds exactly. */
export function f16Bits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size === 0) return sign;
  if (size < 2 ** -14) return sign | (size * 2 ** 24);
  const exponent = Math.floor(Math.log2(size));
  return sign | ((exponent + 15) << 10) | ((size / 2 ** exponent - 1) * 1024);
}

/** The bytes of a tensor as ONNX's `raw_data` has them. */
function rawBytes({ dtype, data }: Nd): Uint8Array {
  const width = WIDTHS[dtype];
  const bytes = new Uint8Array(width * data.length);
  const view = new DataView(bytes.buffer);
  for (const [k, value] of data.entries()) {
    const at = k * width;
    if (dtype === 'f32') view.setFloat32(at, value, true);
    else if (dtype === 'f64') view.setFloat64(at, value, true);
    else if (dtype === 'f16') view.setUint16(at, f16Bits(value), true);
    else if (dtype === 'bf16') {
      word.setFloat32(0, value);
      view.setUint16(at, word.getUint16(0), true);
    } else if (dtype === 'i64') view.setBigInt64(at, BigInt(value), true);
    else if (dtype === 'i32') view.setInt32(at, value, true);
    else view.setUint8(at, value < 0 ? value + 256 : value);
  }
  return bytes;
}

/** Stored tensors of an external file, one after another. */
class DataFile {
  readonly chunks: Uint8Array[] = [];
  #end = 0;

  /** Where the bytes lie: offset and length, as `external_data` has them. */
  add(bytes: Uint8Array): readonly [string, string] {
    const gap = (64 - (this.#end % 64)) % 64;
    this.chunks.push(new Uint8Array(gap), bytes);
    const offset = this.#end + gap;
    this.#end = offset + bytes.length;
    return [String(offset), String(bytes.length)];
  }
}

function tensorProto(value: Nd, name: string, file: DataFile | null, location: string): Onnx.ITensorProto {
  const proto: Onnx.ITensorProto = { name, dims: [...value.shape], dataType: TYPE_NUMBERS[value.dtype] };
  const bytes = rawBytes(value);
  // ONNX Runtime reads shapes and axes before it opens data files
  if (!file || !isFloating(value.dtype)) return { ...proto, rawData: bytes };
  const [offset, length] = file.add(bytes);
  const externalData = Object.entries({ location, offset, length }).map(([key, held]) => ({
    key,
    value: held,
  }));
  return { ...proto, dataLocation: onnx.TensorProto.DataLocation.EXTERNAL, externalData };
}

function attributeProto(name: string, attr: Attr): Onnx.IAttributeProto {
  const { AttributeType } = onnx.AttributeProto;
  switch (attr.kind) {
    case 'int':
      return { name, type: AttributeType.INT, i: attr.value };
    case 'float':
      return { name, type: AttributeType.FLOAT, f: attr.value };
    case 'string':
      return { name, type: AttributeType.STRING, s: new TextEncoder().encode(attr.value) };
    case 'ints':
      return { name, type: AttributeType.INTS, ints: [...attr.value] };
    case 'tensor':
      return { name, type: AttributeType.TENSOR, t: tensorProto(attr.value, '', null, '') };
    case 'graph':
      return { name, type: AttributeType.GRAPH, g: graphProto(attr.value, null, '') };
  }
}

function nodeProto({ domain, op, name, inputs, outputs, attrs }: Op): Onnx.INodeProto {
  return {
    domain,
    opType: op,
    name,
    input: [...inputs],
    output: [...outputs],
    attribute: Object.entries(attrs).map(([key, attr]) => attributeProto(key, attr)),
  };
}

function portProto({ name, dtype, dims }: Port): Onnx.IValueInfoProto {
  const dim = dims?.map((extent) =>
    typeof extent === 'number' ? { dimValue: extent } : { dimParam: extent },
  );
  return {
    name,
    type: { tensorType: { elemType: TYPE_NUMBERS[dtype], ...(dim ? { shape: { dim } } : {}) } },
  };
}

function graphProto(net: Net, file: DataFile | null, location: string): Onnx.IGraphProto {
  return {
    name: net.name,
    node: net.ops.map(nodeProto),
    initializer: [...net.stored].map(([name, value]) => tensorProto(value, name, file, location)),
    input: net.inputs.map(portProto),
    output: net.outputs.map(portProto),
    valueInfo: net.declared.map(portProto),
  };
}

function functionProto(body: FunctionBody, opsets: readonly Onnx.IOperatorSetIdProto[]): Onnx.IFunctionProto {
  return {
    domain: body.domain,
    name: body.name,
    input: [...body.inputs],
    output: [...body.outputs],
    node: body.ops.map(nodeProto),
    opsetImport: [...opsets],
  };
}

/** Writes a case as an ONNX file, with a data file next to it where it has external data. */
export function writeCase(made: Pick<Case, 'opset' | 'net' | 'functions' | 'external'>, path: string): void {
  const file = made.external ? new DataFile() : null;
  const location = 'model.data';
  const domains = new Set([...made.functions.values()].map(({ domain }) => domain));
  const opsetImport = [
    { domain: '', version: made.opset },
    { domain: 'com.microsoft', version: 1 },
    ...[...domains].map((domain) => ({ domain, version: 1 })),
  ];
  const message = onnx.ModelProto.create({
    irVersion: 8,
    producerName: 'differential',
    opsetImport,
    graph: graphProto(made.net, file, location),
    functions: [...made.functions.values()].map((body) => functionProto(body, opsetImport)),
  });
  writeFileSync(path, onnx.ModelProto.encode(message).finish());
  if (file) writeFileSync(join(dirname(path), location), Buffer.concat(file.chunks));
}
