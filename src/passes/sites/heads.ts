import { GraphFunction, Model, type Node, type Value } from '../../ir/model.js';

/**
 * The nodes among `linears` whose product reaches an output of the model while no other linear layer lies after them:
 * classifiers and language-model heads. A key projection whose product is also a cache output is no head, since the
 * attention's own projection comes after it.
 */
export function outputHeads(linears: readonly Node[]): ReadonlySet<Node> {
  const isLinear = new Set(linears);
  const heads = new Set<Node>();
  for (const node of linears) if (endsAtOutput(node, isLinear)) heads.add(node);
  return heads;
}

function endsAtOutput(start: Node, isLinear: ReadonlySet<Node>): boolean {
  const seen = new Set<Value>(start.outputs);
  const queue = [...start.outputs];
  let reached = false;
  const visit = (values: Iterable<Value>) => {
    for (const value of values) {
      if (seen.has(value)) continue;
      seen.add(value);
      queue.push(value);
    }
  };
  for (let value = queue.pop(); value; value = queue.pop()) {
    if (value.isOutput) {
      const owner = value.graph?.owner;
      if (!owner || owner instanceof Model || owner instanceof GraphFunction) reached = true;
      else visit(owner.outputs);
    }
    for (const { node } of value.uses) {
      if (isLinear.has(node)) return false;
      visit(node.outputs);
      for (const graph of node.subgraphs()) visit(graph.inputs); // what a Loop or Scan carries in
    }
  }
  return reached;
}
