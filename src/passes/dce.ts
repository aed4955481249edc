import type { Graph, Model, Node, Value } from '../ir/model.js';
import { definitionOf } from '../ir/ops/index.js';
import { topologicalOrder } from '../ir/topo.js';
import { word } from '../options/types.js';
import { definePass } from './pipeline.js';

/**
 * Removes nodes whose results nothing reads, and initializers that only they read. Only pure nodes are removed, as the
 * registry says; operators that lotrc does not know, and those with random results, may have effects and stay. Graph
 * inputs and outputs are never touched.
 * With scope `new` only nodes made by a lotrc pass go, so that the user's own graph stays as it was.
 */
export function removeDead(model: Model, scope: 'all' | 'new' = 'all'): number {
  let removed = 0;
  for (const graph of model.everyGraph()) removed += removeDeadIn(graph, scope);
  return removed;
}

/** As {@link removeDead} for one graph without those nested in it; with scope `unread` nodes that may have effects go too. */
export function removeDeadIn(graph: Graph, scope: 'all' | 'new' | 'unread' = 'all'): number {
  const touched = new Set<Value>();
  let removed = 0;
  for (const node of topologicalOrder(graph).reverse()) {
    if (scope === 'new' && node.origin.pass === undefined) continue;
    if (node.outputs.some((output) => output.uses.size > 0 || output.isOutput)) continue;
    if (scope !== 'unread' && !isPure(node)) continue;
    for (const input of node.inputs) if (input?.constant) touched.add(input);
    for (const captured of capturedConstants(node)) touched.add(captured);
    clearSubgraphs(node);
    graph.erase(node);
    removed++;
  }
  const candidates = scope === 'new' ? [...touched] : [...graph.initializers.values()];
  for (const value of candidates) {
    if (value.graph !== graph || value.isInput || value.isOutput || value.uses.size > 0) continue;
    graph.removeInitializer(value);
    removed++;
  }
  return removed;
}

/** Same inputs, same outputs, no effect: by the registry, or any standard operator with subgraphs of such nodes. */
export function isPure(node: Node): boolean {
  const def = definitionOf(node);
  return def?.traits?.includes('pure') ?? false;
}

function capturedConstants(node: Node): Value[] {
  const found: Value[] = [];
  for (const graph of node.subgraphs()) {
    for (const inner of graph.nodes) {
      for (const input of inner.inputs) if (input?.constant && input.graph !== graph) found.push(input);
      found.push(...capturedConstants(inner));
    }
  }
  return found;
}

/** Nodes of a subgraph drop their uses of outer values before the node that holds them is erased. */
function clearSubgraphs(node: Node): void {
  for (const graph of node.subgraphs()) {
    for (const output of [...graph.outputs]) graph.removeOutput(output);
    for (const inner of topologicalOrder(graph).reverse()) {
      clearSubgraphs(inner);
      graph.erase(inner);
    }
  }
}

export const dce = definePass({
  name: 'dce',
  summary: 'remove nodes and initializers whose results are unused',
  options: {
    scope: {
      type: word('scope', ['all', 'new']),
      default: 'all',
      doc: 'all nodes, or only those made by lotrc passes',
    },
  },
  run(model, { scope }, ctx) {
    const removed = removeDead(model, scope);
    ctx.stat('removed', removed);
    return removed > 0 ? 'changed' : 'unchanged';
  },
});
