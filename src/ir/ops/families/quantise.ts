import type { DType } from '../../dtype.js';
import type { NdArray } from '../define.js';
import { fromIndex, offset, stridesOf } from '../nd.js';

/** Least and greatest value of the integer types that quantisation writes. */
export const RANGES: Partial<Record<DType, readonly [number, number]>> = {
  u8: [0, 255],
  i8: [-128, 127],
  u16: [0, 65535],
  i16: [-32768, 32767],
  u4: [0, 15],
  i4: [-8, 7],
  i32: [-(2 ** 31), 2 ** 31 - 1],
};

/**
 * A parameter (scale or zero point) read at the place of each element of x: one for all, one per index of `axis`, or
 * one per block of `blockSize` along it.
 */
export function spread(p: NdArray, x: readonly number[], axis: number, blockSize: number): NdArray {
  const strides = stridesOf(p.shape);
  return fromIndex(x, (index) => {
    if (p.data.length === 1) return p.data[0]!;
    if (p.shape.length === 1) return p.data[index[axis]!]!;
    return p.data[offset(strides, index.with(axis, Math.floor(index[axis]! / (blockSize || 1))))]!;
  });
}
