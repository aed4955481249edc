import { isFloat } from '../../ir/dtype.js';
import { ComputedTensor, type TensorData } from '../../ir/tensor.js';
import { toF64 } from '../../ir/values.js';
import type { Numbers } from './term.js';

/** The values of a factor. Throws when it is not of a floating-point type. */
export function numbersOf(tensor: TensorData): Numbers {
  if (!isFloat(tensor.dtype)) throw new Error(`a factor of ${tensor.dtype}`);
  return { shape: tensor.shape, data: toF64(tensor) };
}

/** The leading part of a tensor with that shape, made when it is read; the tensor itself where it is not larger. */
export function leadingTensor(tensor: TensorData, shape: readonly number[]): TensorData {
  if (tensor.shape.length !== shape.length || !shape.some((extent, axis) => extent < tensor.shape[axis]!))
    return tensor;
  return new ComputedTensor(tensor.dtype, shape, 'leading part', () => {
    const bytes = tensor.bytes();
    const width = tensor.byteLength / tensor.shape.reduce((a, b) => a * b, 1);
    const run = shape.at(-1)! * width;
    const out = new Uint8Array(shape.reduce((a, b) => a * b, 1) * width);
    const index = new Array<number>(shape.length).fill(0);
    for (let at = 0; at < out.length; at += run) {
      const from = index.reduce((offset, i, axis) => offset * tensor.shape[axis]! + i, 0) * width;
      out.set(bytes.subarray(from, from + run), at);
      for (let axis = shape.length - 2; axis >= 0; axis--) {
        if (++index[axis]! < shape[axis]!) break;
        index[axis] = 0;
      }
    }
    return out;
  });
}
