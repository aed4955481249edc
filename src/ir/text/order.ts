import { MinHeap } from '../min-heap.js';
import type { Graph, Node } from '../model.js';

/**
 * Nodes in canonical order: every node after those whose values it reads (subgraphs included), otherwise in the order
 * of the file. A graph with a cycle keeps its order. Edges are followed by name, as the parser will, so that the order of
 * a damaged model is stable too.
 */
export function canonicalOrder(graph: Graph): readonly Node[] {
  const nodes = [...graph.nodes];
  const producer = new Map<string, number>();
  for (const [index, node] of nodes.entries()) {
    for (const { name } of node.outputs) if (name !== '' && !producer.has(name)) producer.set(name, index);
  }
  for (const { name } of graph.inputs) producer.delete(name);
  for (const name of graph.initializers.keys()) producer.delete(name);
  let sorted = true;
  for (let index = 0; sorted && index < nodes.length; index++) {
    eachRead(nodes[index]!, (name) => {
      if ((producer.get(name) ?? -1) >= index) sorted = false;
    });
  }
  return sorted ? nodes : sort(nodes, producer);
}

/** Repeatedly takes the first node whose sources are all taken. */
function sort(nodes: readonly Node[], producer: ReadonlyMap<string, number>): readonly Node[] {
  const waiting = new Int32Array(nodes.length);
  const readers: number[][] = nodes.map(() => []);
  for (const [index, node] of nodes.entries()) {
    const sources = new Set<number>();
    eachRead(node, (name) => {
      const source = producer.get(name);
      if (source !== undefined) sources.add(source);
    });
    waiting[index] = sources.size;
    for (const source of sources) readers[source]!.push(index);
  }
  const ready = new MinHeap();
  for (let i = 0; i < nodes.length; i++) if (waiting[i] === 0) ready.push(i);
  const order: Node[] = [];
  for (let index = ready.pop(); index !== undefined; index = ready.pop()) {
    order.push(nodes[index]!);
    for (const reader of readers[index]!) if (--waiting[reader]! === 0) ready.push(reader);
  }
  return order.length === nodes.length ? order : nodes;
}

/** Names that a node reads from its graph or around it: its inputs and what its subgraphs do not define themselves. */
function eachRead(node: Node, visit: (name: string) => void): void {
  for (const input of node.inputs) if (input && input.name !== '') visit(input.name);
  for (const inner of node.subgraphs()) eachFree(inner, visit);
}

function eachFree(graph: Graph, visit: (name: string) => void): void {
  const outward = (name: string): void => {
    if (graph.own(name) === undefined) visit(name);
  };
  for (const node of graph.nodes) eachRead(node, outward);
  for (const output of graph.outputs) outward(output.name);
}
