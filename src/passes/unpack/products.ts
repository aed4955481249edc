import type { GraphBuilder } from '../../ir/builder.js';
import type { Node, Value } from '../../ir/model.js';
import { range } from '../../ir/ops/core/gradient-shape.js';
import { holderOf, type Origins, rankOf } from '../sites/origins.js';
import { unsqueeze } from './unsqueeze.js';
import { type PartView, type PartViews, readWhole, reshaped } from './views.js';

/** Whether a product multiplies by stored numbers that are not a stored matrix as they are. */
export function readsPart(node: Node, origins: Origins): boolean {
  const weight = node.inputs[1];
  return Boolean(weight && holderOf(weight)) && origins.stored(weight!)?.data.shape.length !== 2;
}

/**
 * The same product by a stored matrix, in place of one by part of a stored tensor (Slice, Split), by one in another
 * shape (Reshape, Transpose), or by a matrix with axes of extent 1 in front. Null when the weight is computed otherwise,
 * or holds several matrices.
 */
export function unpackProduct(b: GraphBuilder, node: Node, views: PartViews): readonly Value[] | null {
  const [x, weight, ...rest] = node.inputs;
  const view = weight ? views.of(weight) : null;
  if (!x || !view || readWhole(view)) return null;
  const shape = view.shown ?? view.layout.shape;
  const lead = shape.length - 2;
  if (lead < 0 || shape.slice(0, lead).some((extent) => extent !== 1)) return null;
  const rank = rankOf(x);
  if (lead > 0 && (rank === null || rank < 2)) return null;
  const flat = lead === 0 ? view : withoutLead(view, shape.slice(lead));
  if (!flat) return null;
  const [output] = node.outputs;
  const [y] = b.node(node.op, [x, views.matrix(b, flat), ...rest], Object.fromEntries(node.attrs), {
    domain: node.domain,
    name: node.name,
    outputs: [`${output!.name}/product`],
  });
  // axes in front of the matrix are in front of the result; without them a vector x gives a vector
  const front = lead === 0 ? 0 : Math.max(0, shape.length - rank!);
  if (front === 0) return [y!];
  return [unsqueeze(b, y!, range(front), `${output!.name}/front`)];
}

function withoutLead(view: PartView, shape: readonly number[]): PartView | null {
  if (view.shown) return { ...view, shown: shape };
  return reshaped(view, shape);
}
