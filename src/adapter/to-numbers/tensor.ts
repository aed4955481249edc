import { isFloat } from '../../ir/dtype.js';
import type { TensorData } from '../../ir/tensor.js';
import { toF64 } from '../../ir/values.js';
import type { Numbers } from './term.js';

/** The values of a factor. Throws when it is not of a floating-point type. */
export function numbersOf(tensor: TensorData): Numbers {
  if (!isFloat(tensor.dtype)) throw new Error(`a factor of ${tensor.dtype}`);
  return { shape: tensor.shape, data: toF64(tensor) };
}
