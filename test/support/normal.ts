import { DrawnTensor, normalQuantile } from '../../src/init/normal.js';
import type { DType } from '../../src/ir/dtype.js';

/** Independent N(0, sd^2) numbers of the stream (seed, name). */
export function normalTensor(
  dtype: DType,
  shape: readonly number[],
  sd: number,
  seed: number,
  name: string,
): DrawnTensor {
  return new DrawnTensor(dtype, shape, (u) => sd * normalQuantile(u), {
    seed,
    name,
    by: `init:normal(${sd},seed=${seed})`,
    byPlace: false,
  });
}
