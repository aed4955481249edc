import type { Graph } from './graph.js';
import { MinHeap } from './min-heap.js';
import type { Node } from './node.js';
import type { Value } from './value.js';

/**
 * The nodes of a graph in an order in which every node follows what it reads, including what its subgraphs capture.
 * Stable: nodes keep their file order where the edges allow it. Nodes on a cycle come last, in file order; the
 * verifier reports them. Linear in nodes and edges, and not recursive.
 */
export function topologicalOrder(graph: Graph): Node[] {
  if (isInOrder(graph)) return [...graph.nodes];
  const waiting = new Map<Node, number>();
  const readers = new Map<Node, Node[]>();
  for (const node of graph.nodes) {
    const sources = sourcesOf(node, graph);
    for (const source of sources) {
      const list = readers.get(source);
      if (list) list.push(node);
      else readers.set(source, [node]);
    }
    waiting.set(node, sources.size);
  }
  const position = new Map([...graph.nodes].map((node, index) => [node, index]));
  const order: Node[] = [];
  const placed = new Set<Node>();
  // the earliest ready node in file order goes next: a heap over positions
  const ready = new MinHeap();
  const nodes = [...graph.nodes];
  for (const [node, count] of waiting) if (count === 0) ready.push(position.get(node)!);
  for (let at = ready.pop(); at !== undefined; at = ready.pop()) {
    const node = nodes[at]!;
    order.push(node);
    placed.add(node);
    for (const reader of readers.get(node) ?? []) {
      const left = waiting.get(reader)! - 1;
      waiting.set(reader, left);
      if (left === 0) ready.push(position.get(reader)!);
    }
  }
  for (const node of nodes) if (!placed.has(node)) order.push(node);
  return order;
}

let walks = 0;

/** Whether every node of a graph already is after all that it and its subgraphs read: then there is no cycle. */
export function isInOrder(graph: Graph): boolean {
  // nodes that were met bear the number of this walk, which is cheaper than a set of them
  const walk = ++walks;
  for (const node of graph.nodes) {
    if (graph.holdsGraphs && node.subgraphs().length > 0) {
      for (const source of sourcesOf(node, graph)) if (source.met !== walk) return false;
    } else {
      for (const input of node.inputs) {
        const producer = input?.producer;
        if (producer && producer.met !== walk && producer.graph === graph) return false;
      }
    }
    node.met = walk;
  }
  return true;
}

/** Producers in `graph` of everything that a node and its subgraphs read. */
export function sourcesOf(node: Node, graph: Graph): ReadonlySet<Node> {
  const sources = new Set<Node>();
  for (const { producer } of valuesReadBy(node, graph)) if (producer) sources.add(producer);
  return sources;
}

/** The values of `graph` that a node and its subgraphs read. */
export function valuesReadBy(node: Node, graph: Graph): ReadonlySet<Value> {
  const values = new Set<Value>();
  const take = (value: Value | null): void => {
    if (value?.graph === graph) values.add(value);
  };
  for (const input of node.inputs) take(input);
  const stack = [...node.subgraphs()];
  for (let inner = stack.pop(); inner; inner = stack.pop()) {
    for (const nested of inner.nodes) {
      for (const input of nested.inputs) take(input);
      stack.push(...nested.subgraphs());
    }
    for (const output of inner.outputs) take(output);
  }
  return values;
}
