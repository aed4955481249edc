import type { Node, Value } from '../../ir/model.js';
import type { Slices } from '../../ir/ops/core/define.js';
import { elementwiseSlices } from '../../ir/ops/core/slices.js';
import { definitionOf } from '../../ir/ops/index.js';

/** A node of which only one index along `axis` of its output is read. */
export interface Narrowed {
  readonly node: Node;
  readonly axis: number;
  readonly slices: Slices;
}

/**
 * The nodes whose every reader needs but one index along one axis, given that `reader` reads one index of `from` along
 * `axis`: walked back from there, a node joins when all uses of its output are by nodes that joined, along the same axis,
 * and its op treats that axis index by index. In an order in which each node comes before those that it reads.
 */
export function coneOf(reader: Node, from: Value, axis: number): readonly Narrowed[] {
  const cone: Narrowed[] = [];
  const read = new Map<Value, { readonly axis: number; uses: number }>();
  const candidates = [from];
  const note = (value: Value, at: number): void => {
    const seen = read.get(value);
    if (!seen) read.set(value, { axis: at, uses: 1 });
    else if (seen.axis === at) seen.uses++;
    candidates.push(value);
  };
  note(from, axis);
  const joined = new Set<Node>();
  for (let value = candidates.pop(); value; value = candidates.pop()) {
    const node = producerOf(value, reader);
    const known = read.get(value)!;
    if (!node || joined.has(node) || value.isOutput || known.uses !== value.uses.size) continue;
    const slices = slicesOf(node, known.axis);
    if (!slices) continue;
    joined.add(node);
    cone.push({ node, axis: known.axis, slices });
    for (const [index, input] of node.inputs.entries()) {
      const at = slices.axes[index] ?? null;
      if (input && at !== null) note(input, at);
    }
  }
  return cone;
}

/** The node of the same graph that delivers a value as its only result that is read. */
function producerOf(value: Value, reader: Node): Node | null {
  const node = value.producer;
  if (!node || node.graph !== reader.graph || node.outputs[0] !== value) return null;
  return node.outputs.some((other) => other !== value && (other.uses.size > 0 || other.isOutput))
    ? null
    : node;
}

function slicesOf(node: Node, axis: number): Slices | null {
  const def = definitionOf(node);
  if (!def?.traits?.includes('pure')) return null;
  return (
    def.slices?.(node, axis) ?? (def.traits.includes('elementwise') ? elementwiseSlices(node, axis) : null)
  );
}

/** Whether a node does arithmetic that is worth saving: its op has a cost. */
export function isCostly(node: Node): boolean {
  return definitionOf(node)?.cost !== undefined;
}
