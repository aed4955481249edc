import type { Node } from '../../ir/model.js';

/** Erases a node whose outputs nothing reads, and then the nodes whose outputs only it read. */
export function eraseDead(node: Node): void {
  const stack = [node];
  for (let current = stack.pop(); current; current = stack.pop()) {
    if (!current.graph) continue;
    if (current.outputs.some((output) => output.uses.size > 0 || output.isOutput)) continue;
    const sources = current.inputs.map((input) => input?.producer);
    current.graph.erase(current);
    for (const source of sources) if (source) stack.push(source);
  }
}
