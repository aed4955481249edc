import { constantTensor } from '../../ir/constants.js';
import { isFloat } from '../../ir/dtype.js';
import type { Value } from '../../ir/model.js';
import type { TensorData } from '../../ir/tensor.js';
import { toF64, toIntegers } from '../../ir/values.js';

/** The data of an initializer, which a caller may replace by other data of its shape, or of a Constant node. */
export function dataOf(value: Value): TensorData | null {
  return constantTensor(value.producer) ?? value.constant;
}

function fixed(value: Value): TensorData | null {
  return value.isInput ? null : dataOf(value);
}

/** The one element of a numeric constant that no caller can replace; null for anything else. */
export function scalarOf(value: Value): number | null {
  const data = fixed(value);
  if (!data || data.shape.some((extent) => extent !== 1)) return null;
  if (isFloat(data.dtype)) return toF64(data)[0] ?? null;
  return integers(data)?.[0] ?? null;
}

/** The elements of an integer constant that no caller can replace; null for anything else. */
export function integersOf(value: Value): readonly number[] | null {
  const data = fixed(value);
  return data && integers(data);
}

function integers(data: TensorData): readonly number[] | null {
  return data.dtype === 'i64' || data.dtype === 'i32' ? toIntegers(data) : null;
}
