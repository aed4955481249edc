import type { Node, Value } from '../../ir/model.js';
import type { Builder } from '../../ir/ops/core/define.js';
import { type Shape, sameDim, shapeOf } from '../../ir/shape.js';
import { i64Tensor } from '../../ir/tensor.js';

/** The backward pass of a graph. */
export interface Backward {
  /** all nodes of the graph in order */
  readonly order: readonly Node[];
  readonly backward: ReadonlySet<Node>;
  /** the seeds and what is made from them */
  readonly gradients: ReadonlySet<Value>;
}

/**
 * The gradient that a reader of `value` in the backward pass is waiting for: of the readers in `order`, the first that
 * also reads something which only the backward pass can give, and that operand. Readers that work on the value alone
 * (a transposition) are looked through.
 */
export function awaited(value: Value, { order, backward, gradients }: Backward): Value | null {
  const derived = new Set<Value>([value]);
  for (const node of order) {
    if (!backward.has(node) || !node.inputs.some((input) => input && derived.has(input))) continue;
    const other = node.inputs.find((input) => input && !derived.has(input) && gradients.has(input));
    if (other) return other;
    for (const output of node.outputs) derived.add(output);
  }
  return null;
}

/**
 * A copy of `leaf` that exists only after `gradient` does: a Reshape, which moves nothing, to a shape that is read from
 * the gradient. So the nodes after it differ from their originals for every common-subexpression pass, and cannot be
 * scheduled before the gradient. Null when the shape of the gradient, or of a gradient it was made from, names none of the
 * symbolic extents of the leaf.
 */
export function anchored(b: Builder, leaf: Value, gradient: Value, { gradients }: Backward): Value | null {
  const shape = shapeOf(leaf);
  if (!shape) return null;
  let from: Value | null = gradient;
  for (let steps = 0; from && steps < 16; steps++) {
    const target = targetFrom(b, shape, from);
    if (target) return b.node('Reshape', [leaf, target])[0]!;
    from = from.producer?.inputs.find((input) => input && gradients.has(input)) ?? null;
  }
  return null;
}

/** The shape as an int64 vector whose symbolic extents are taken from a gradient. */
function targetFrom(b: Builder, shape: Shape, gradient: Value): Value | null {
  const given = shapeOf(gradient);
  if (!given) return null;
  const symbolic = shape.filter((dim) => typeof dim !== 'number');
  const places = symbolic.map((dim) => given.findIndex((other) => sameDim(other, dim)));
  if (places.includes(-1)) return null;
  const extents = b.node('Shape', [gradient])[0]!;
  const axis = { axis: { kind: 'int', value: 0n } } as const;
  const parts: Value[] = [];
  for (const dim of shape) {
    const index = typeof dim === 'number' ? null : places[symbolic.indexOf(dim)]!;
    parts.push(
      index === null
        ? b.constant(i64Tensor([1], [dim as number]), 'remat/extent')
        : b.node('Gather', [extents, b.constant(i64Tensor([1], [index]), 'remat/index')], axis)[0]!,
    );
  }
  return parts.length === 1 ? parts[0]! : b.node('Concat', parts, axis)[0]!;
}
