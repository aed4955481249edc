/** A tensor in memory, as ONNX Runtime's JavaScript interface has it. */
export interface OrtTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: Float32Array | BigInt64Array | Int32Array | Uint8Array | Uint16Array | Float64Array;
}
export type OrtFeeds = Readonly<Record<string, OrtTensor>>;
