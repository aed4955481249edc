import type { Node } from '../../model.js';
import { attrsOf } from '../attrs.js';
import type { InferContext, NdArray } from '../define.js';
import { attrs, numbersAt } from '../rules.js';

type AxesOp = 'Squeeze' | 'Unsqueeze';

/** Axes of Squeeze and Unsqueeze, attribute before version 13 and input from then on; null when not known. */
export function axesFor(
  node: Node<AxesOp>,
  ctx: InferContext,
  asInput: boolean,
): readonly number[] | null | undefined {
  if (!asInput) return attrs(node, ctx).axes;
  return node.inputs[1] ? numbersAt(ctx, 1) : undefined;
}

export function axesIn(
  node: Node<AxesOp>,
  inputs: readonly (NdArray | null)[],
  asInput: boolean,
): readonly number[] | undefined {
  if (asInput) return inputs[1] ? [...inputs[1].data] : undefined;
  return attrsOf(node, 12).axes;
}
