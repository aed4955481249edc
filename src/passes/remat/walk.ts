import type { GraphBuilder } from '../../ir/builder.js';
import type { Graph, Node, Value } from '../../ir/model.js';
import { isInOrder, topologicalOrder } from '../../ir/topo.js';

/** Values that the backward pass makes from the seeds. */
export function backwardValues(
  order: readonly Node[],
  backward: ReadonlySet<Node>,
  seeds: Iterable<Value>,
): ReadonlySet<Value> {
  const found = new Set<Value>(seeds);
  for (const node of order) {
    if (!backward.has(node) || !node.inputs.some((input) => input && found.has(input))) continue;
    for (const output of node.outputs) found.add(output);
  }
  return found;
}

export function usedIn(value: Value, nodes: ReadonlySet<Node>): boolean {
  for (const { node } of value.uses) if (nodes.has(node)) return true;
  return false;
}

/** Brings the node list into an order in which every node follows what it reads. */
export function sort(graph: Graph): void {
  if (isInOrder(graph)) return;
  const order = topologicalOrder(graph);
  for (let i = order.length - 2; i >= 0; i--) graph.moveBefore(order[i + 1]!, order[i]!);
}

/** Copies nodes that read the copies in place of the originals, and adds their outputs to the copies. */
export function replay(b: GraphBuilder, nodes: readonly Node[], copies: Map<Value, Value>): void {
  for (const node of nodes) {
    const inputs = node.inputs.map((input) => (input ? (copies.get(input) ?? input) : null));
    const attrs = Object.fromEntries(node.attrs) as Parameters<GraphBuilder['node']>[2];
    // all outputs, also those that nothing reads again: the parts of a Split depend on their number
    const outputs = node.outputs.map(({ name }) => (name === '' ? '' : `remat/${node.op}`));
    const made = b.node(node.op, inputs, attrs, { domain: node.domain, outputs });
    for (const [index, output] of node.outputs.entries()) {
      made[index]!.setType(output.type);
      copies.set(output, made[index]!);
    }
  }
}

/** Readers of a value among those nodes read its copy instead. */
export function redirect(value: Value, copy: Value, readers: ReadonlySet<Node>): void {
  for (const use of [...value.uses]) if (readers.has(use.node)) use.node.setInput(use.index, copy);
}
