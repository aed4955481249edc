import { type Graph, Node, type Value } from '../../ir/model.js';
import { zerosLike } from '../../ir/ops/core/gradient-shape.js';
import { copyGraph } from '../inline/copy.js';
import { Gradients } from './grad-builder.js';

/** The engine that differentiates a graph; it calls this file for branches. */
export type Differentiate = (
  graph: Graph,
  options: { readonly seeds: ReadonlyMap<Value, Value>; readonly wrt: readonly Value[] },
) => ReadonlyMap<Value, Value>;

/** Values from outside that an If reads in its branches, of those given, in the order in which they are met. */
export function readInBranches(node: Node, among: ReadonlySet<Value>): readonly Value[] {
  const inside = new Set<Graph>();
  const read = new Set<Value>();
  const stack = [...node.subgraphs()];
  for (let graph = stack.pop(); graph; graph = stack.pop()) {
    inside.add(graph);
    for (const inner of graph.nodes) {
      for (const value of inner.inputs) if (value && among.has(value)) read.add(value);
      stack.push(...inner.subgraphs());
    }
    for (const value of graph.outputs) if (among.has(value)) read.add(value);
  }
  return [...read].filter((value) => !value.graph || !inside.has(value.graph));
}

/**
 * The gradient of an If: another If with the same condition. Each of its branches computes the branch again and then the
 * gradients of what the branch read from outside (`wrt`); a value that only the other branch reads gets zeros. `grads` are
 * those of the outputs. Throws what differentiating a branch throws.
 */
export function throughIf(
  b: Gradients,
  node: Node,
  grads: readonly (Value | null)[],
  wrt: readonly Value[],
  differentiate: Differentiate,
): readonly (readonly [value: Value, gradient: Value])[] {
  const { names } = b.graph;
  const branches = (['then_branch', 'else_branch'] as const).map((name) => {
    const attr = node.attrs.get(name);
    if (attr?.kind !== 'graph') throw new Error(`If "${node.label}" has no ${name}`); // the verifier requires it
    const into = { attribute: () => null, values: new Map(), prefix: 'grad', names, origin: [node.name] };
    return [name, copyGraph(attr.value, into)] as const;
  });
  const made = new Node({
    op: 'If',
    name: names.freshNode('grad/If'),
    inputs: node.inputs,
    outputs: wrt.map(() => names.freshValue('grad/If')),
    attrs: branches.map(([name, graph]) => [name, { kind: 'graph', value: graph }] as const),
    origin: { from: [node.name], pass: b.pass },
  });
  b.graph.attach(made);
  for (const [, graph] of branches) differentiateBranch(graph, grads, wrt, b.pass, differentiate);
  return wrt.map((value, k) => [value, made.outputs[k]!] as const);
}

/** Appends the gradients to a copy of a branch, and makes them its outputs. */
function differentiateBranch(
  graph: Graph,
  grads: readonly (Value | null)[],
  wrt: readonly Value[],
  pass: string,
  differentiate: Differentiate,
): void {
  const b = new Gradients(graph, pass);
  const seeds = new Map<Value, Value>();
  for (const [k, output] of graph.outputs.entries()) {
    const [seed, held] = [grads[k], seeds.get(output)];
    if (seed) seeds.set(output, held ? b.add(held, seed) : seed);
  }
  const found = differentiate(graph, { seeds, wrt });
  for (const output of [...graph.outputs]) graph.removeOutput(output);
  for (const value of wrt) {
    // an output of a branch is made in it
    const gradient = b.one('Identity', [found.get(value) ?? zerosLike(b, value)]);
    gradient.setType(value.type, true);
    graph.addOutput(gradient);
  }
}
