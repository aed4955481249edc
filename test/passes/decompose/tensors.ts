import { MemoryTensor } from '../../../src/ir/tensor.js';

export function boolTensor(shape: readonly number[], data: readonly number[]): MemoryTensor {
  return new MemoryTensor('bool', shape, Uint8Array.from(data));
}

export function f64Tensor(shape: readonly number[], data: readonly number[]): MemoryTensor {
  return new MemoryTensor('f64', shape, new Uint8Array(Float64Array.from(data).buffer));
}

export function i32Tensor(shape: readonly number[], data: readonly number[]): MemoryTensor {
  return new MemoryTensor('i32', shape, new Uint8Array(Int32Array.from(data).buffer));
}
