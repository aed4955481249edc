import { attrInts } from '../../ir/attr.js';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Value } from '../../ir/model.js';
import { i64Tensor } from '../../ir/tensor.js';

/** Unsqueeze takes its axes as an input from this operator set on. */
const AXES_AS_INPUT = 13;

/** With axes of extent 1 at these places; `held` is what `axesInput` gave, to be shared by several nodes. */
export function unsqueeze(
  b: GraphBuilder,
  x: Value,
  axes: readonly number[],
  name: string,
  held = axesInput(b, axes),
): Value {
  return held
    ? b.one('Unsqueeze', [x, held], {}, name)
    : b.one('Unsqueeze', [x], { axes: attrInts(axes) }, name);
}

/** The axes as a constant; null where they are an attribute. */
export function axesInput(b: GraphBuilder, axes: readonly number[]): Value | null {
  return b.opset < AXES_AS_INPUT ? null : b.constant(i64Tensor([axes.length], axes), 'unpack/axes');
}
