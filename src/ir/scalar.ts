import type { DType } from './dtype.js';
import { MemoryTensor } from './tensor.js';
import { encodeFloats } from './values.js';

/** A constant of rank 0 of a floating-point type, rounded to nearest even. */
export function scalarTensor(dtype: DType, value: number): MemoryTensor {
  return new MemoryTensor(dtype, [], encodeFloats(dtype, [value]));
}
