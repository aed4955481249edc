import { type Attr, attrInt, attrString } from '../../attr.js';
import type { Value } from '../../model.js';
import { f32Tensor } from '../../tensor.js';
import type { GradBuilder } from '../define.js';

/**
 * `updates` added into zeros of a shape at their indices, repeated ones included; in the element type of `like`. 16-bit
 * numbers are added up in float32: ONNX Runtime's CPU kernels add no others, and many small shares would be lost.
 */
export function scatterAdd(
  b: GradBuilder,
  op: 'ScatterElements' | 'ScatterND',
  shape: Value,
  indices: Value,
  updates: Value,
  like: Value,
  attrs: Readonly<Record<string, Attr>> = {},
): Value {
  if (b.opset < 16) return b.refuse('adding into repeated places needs opset 16');
  const half = b.isHalf(like);
  const zero = half ? b.constant(f32Tensor([], [0]), 'grad/constant') : b.scalar(0, like);
  const wide = half ? b.one('Cast', [updates], { to: attrInt(1) }) : updates;
  const zeros = b.one('Expand', [zero, shape]);
  const sums = b.one(op, [zeros, indices, wide], { ...attrs, reduction: attrString('add') });
  return half ? b.one('Cast', [sums], { to: attrInt(b.onnxType(like)) }) : sums;
}
