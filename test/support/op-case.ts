import { type Attr, attrFloat, attrInt, attrInts, attrString } from '../../src/ir/attr.js';
import { type DType, dtypeFromOnnx, dtypeToOnnx } from '../../src/ir/dtype.js';
import { Graph, Model } from '../../src/ir/model.js';
import { encodeModel } from '../../src/ir/onnx/writer.js';
import { opVersion } from '../../src/ir/ops/core/attrs.js';
import type { NdArray } from '../../src/ir/ops/core/define.js';
import { elementCount, tensorType } from '../../src/ir/shape.js';
import { MemoryTensor } from '../../src/ir/tensor.js';
import { noise, type Tensor } from './ort.js';

/** An input of an operator under test: noise of a shape, or given elements; null: left out. */
export type Arg =
  | null
  | readonly number[]
  | {
      readonly dtype: DType;
      readonly shape: readonly number[];
      readonly data: readonly number[];
      readonly constant?: boolean;
    };

export function tensor(dtype: DType, shape: readonly number[], data: readonly number[]): Arg {
  return { dtype, shape, data };
}

/** `1` is an int, `1.5` and `{ f: 1 }` are floats, a list is ints, a text is a string. */
export type AttrValue = number | string | readonly number[] | { readonly f: number };

export interface OpCase {
  readonly opset?: number;
  readonly domain?: string;
  readonly attrs?: Readonly<Record<string, AttrValue>>;
  readonly outputs?: number;
}

export interface BuiltCase {
  readonly model: Model;
  readonly bytes: Uint8Array;
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly inputs: readonly (NdArray | null)[];
}

const ORT: Partial<Record<DType, Tensor['dtype']>> = {
  f32: 'float32',
  f64: 'float64',
  i64: 'int64',
  i32: 'int32',
  bool: 'bool',
  u8: 'uint8',
  i8: 'int8',
};

/** A model of one node. */
export function buildCase(op: string, args: readonly Arg[], options: OpCase): BuiltCase {
  const { opset = 21, domain = '', attrs = {}, outputs = 1 } = options;
  const graph = new Graph('case');
  const model = new Model(graph);
  model.setOpset('', opset);
  if (domain !== '') model.setOpset(domain, 1);
  model.irVersion = 10;
  const feeds: Record<string, Tensor> = {};
  const inputs: (NdArray | null)[] = [];
  const values = args.map((arg, k) => {
    if (arg === null) {
      inputs.push(null);
      return null;
    }
    const given = 'dtype' in arg ? arg : null;
    const shape = given ? given.shape : (arg as readonly number[]);
    const dtype = given ? given.dtype : 'f32';
    const data = given ? given.data : [...noise(elementCount(shape), k + 3)];
    inputs.push({ shape, data: Float64Array.from(data) });
    const packed = pack(dtype, data);
    const name = `x${k}`;
    if (given?.constant) {
      const bytes = new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength);
      return graph.addInitializer(name, new MemoryTensor(dtype, shape, bytes));
    }
    feeds[name] = { dtype: ORT[dtype]!, shape, data: packed };
    return graph.addInput(name, tensorType(dtype, shape));
  });
  const node = graph.append({
    op,
    domain,
    inputs: values,
    outputs: Array.from({ length: outputs }, (_, k) => `y${k}`),
    attrs: Object.entries(attrs).map(
      ([name, value]) => [name, attrOf(value, domain === '' ? op : `${domain}::${op}`, name)] as const,
    ),
  });
  for (const output of node.outputs) graph.addOutput(output);
  return { model, bytes: encodeModel(model), feeds, inputs };
}

/** An attribute of the kind that the schema says; a number of an op that has none there is an int when it is whole. */
export function attrOf(value: AttrValue, key: string, name: string): Attr {
  const kind = opVersion(key, Number.POSITIVE_INFINITY)?.attrs[name]?.kind;
  if (typeof value === 'string') return attrString(value);
  if (typeof value === 'number') {
    return kind !== 'float' && Number.isInteger(value) ? attrInt(value) : attrFloat(value);
  }
  return 'f' in value ? attrFloat(value.f) : attrInts(value);
}

function pack(dtype: DType, data: readonly number[]): ArrayBufferView & ArrayLike<number | bigint> {
  switch (dtype) {
    case 'f32':
      return Float32Array.from(data);
    case 'f64':
      return Float64Array.from(data);
    case 'i64':
      return BigInt64Array.from(data, BigInt);
    case 'i32':
      return Int32Array.from(data);
    case 'i8':
      return Int8Array.from(data);
    case 'u8':
    case 'bool':
      return Uint8Array.from(data);
    default:
      throw new Error(`${dtype} is not fed in tests`);
  }
}

/** The element type that a tensor of ONNX Runtime has. */
export function dtypeOfOrt(type: string): DType | undefined {
  return (Object.keys(ORT) as DType[]).find(
    (dtype) => ORT[dtype] === type && dtypeFromOnnx(dtypeToOnnx(dtype)) === dtype,
  );
}
