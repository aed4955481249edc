import { type HostTensor, ORT_TYPES } from './messages.js';

/** A tensor in memory, as ONNX Runtime's JavaScript interface has it. */
export interface OrtTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: Float32Array | BigInt64Array | Int32Array | Uint8Array | Uint16Array | Float64Array;
}
export type OrtFeeds = Readonly<Record<string, OrtTensor>>;

const ARRAYS = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint64: BigUint64Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** A tensor of numbers as ONNX Runtime takes it; the bytes are copied, so that they lie as its elements must. */
export function feedOf({ dtype, shape, data }: HostTensor): OrtTensor {
  const type = ORT_TYPES.get(dtype) as keyof typeof ARRAYS | 'string' | undefined;
  if (type === undefined || type === 'string') throw new Error(`onnxruntime-node takes no ${dtype} tensors`);
  const elements = new ARRAYS[type](Uint8Array.from(data as Uint8Array).buffer);
  return { type, dims: shape, data: elements as OrtTensor['data'] };
}
