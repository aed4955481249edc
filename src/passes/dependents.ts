import type { Graph, Node, Value } from '../ir/model.js';

/** The nodes, of these in order, that depend on one of the named values; a node with branches may read any of them inside. */
export function dependents(graph: Graph, order: readonly Node[], names: Iterable<string>): Node[] {
  const reached = new Set<Value>([...names].flatMap((name) => graph.own(name) ?? []));
  return order.filter((node) => {
    const reads =
      node.inputs.some((input) => input && reached.has(input)) || [...node.subgraphs()].length > 0;
    if (reads) for (const output of node.outputs) reached.add(output);
    return reads;
  });
}
