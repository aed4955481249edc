import { GraphBuilder } from '../../ir/builder.js';
import type { Graph, Node, Value } from '../../ir/model.js';
import { isInOrder, topologicalOrder } from '../../ir/topo.js';
import { anchored, awaited, type Backward, shapeOf } from './anchor.js';
import { isConstant, type Recipe, recipeOf, sourceOf, weightOf } from './recipe.js';

/** A tensor with fewer elements per token than this is not worth a node. */
const WORTH = 64;

/**
 * Computes activations again in the backward pass where that is cheap (elementwise ops, normalisations, softmax, products
 * over one attention head) and all that it needs is kept anyway. `forward` are the nodes of the forward pass and the loss;
 * all other nodes of the graph are the backward pass, which starts from `seeds`. Types must be inferred. The results are those of the same ops on the
 * same values. Returns the values that are no longer kept.
 */
export function rematerialise(
  graph: Graph,
  forward: ReadonlySet<Node>,
  seeds: Iterable<Value>,
): readonly Value[] {
  const order = topologicalOrder(graph);
  const backward = new Set(order.filter((node) => !forward.has(node)));
  const gradients = dependents(order, backward, seeds);
  const dropped = new Map<Value, Recipe>();
  const held = new Set<Value>();
  for (const node of order) {
    if (!forward.has(node)) continue;
    for (const output of node.outputs) if (usedIn(output, backward)) held.add(output).add(sourceOf(output));
  }
  const isKept = (value: Value): boolean =>
    !dropped.has(value) && (value.isInput || held.has(value) || isSmall(value));
  for (const node of order) {
    const [value] = node.outputs;
    if (!forward.has(node) || !value || value.isOutput || !usedIn(value, backward) || !isWorth(value))
      continue;
    const recipe = recipeOf(value, (input) => input !== value && isKept(input));
    if (recipe && !usedAsLeaf(value, dropped)) dropped.set(value, recipe);
  }
  const done: Value[] = [];
  for (const [value, recipe] of dropped)
    if (rebuild(graph, value, recipe, { order, backward, gradients })) done.push(value);
  if (done.length > 0) sort(graph);
  return done;
}

/** Values that the backward pass makes from the seeds. */
function dependents(
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

function usedIn(value: Value, nodes: ReadonlySet<Node>): boolean {
  for (const { node } of value.uses) if (nodes.has(node)) return true;
  return false;
}

/** A value that another recipe starts from has to stay. */
function usedAsLeaf(value: Value, dropped: ReadonlyMap<Value, Recipe>): boolean {
  for (const { leaves } of dropped.values()) if (leaves.has(value)) return true;
  return false;
}

function isWorth(value: Value): boolean {
  const shape = shapeOf(value);
  const open = shape?.filter((dim) => typeof dim !== 'number').length ?? 0;
  // three open extents: attention over all pairs of tokens
  return open > 0 && (open >= 3 || weightOf(shape)! >= WORTH);
}

function isOpen(value: Value): boolean {
  return shapeOf(value)?.some((dim) => typeof dim === 'string') ?? false;
}

/** One number per token or pair at most: kept without counting it. */
function isSmall(value: Value): boolean {
  const shape = shapeOf(value);
  return !!shape && weightOf(shape)! <= 1 && shape.filter((dim) => typeof dim !== 'number').length < 3;
}

function rebuild(graph: Graph, value: Value, { nodes, leaves }: Recipe, pass: Backward): boolean {
  const gradient = awaited(value, pass);
  if (!gradient) return false;
  const b = new GraphBuilder(graph, { before: null, pass: 'rematerialise', prefix: 'remat' });
  const copies = new Map<Value, Value>();
  for (const leaf of leaves) {
    // weights, factors and masks are read as they are: one operand that waits for the gradient is enough
    if (isConstant(leaf) || isSmall(leaf) || !isOpen(leaf)) continue;
    const copy = anchored(b, leaf, gradient, pass);
    if (!copy) return false;
    copies.set(leaf, copy);
  }
  if (copies.size === 0) return false;
  for (const node of nodes) {
    const inputs = node.inputs.map((input) => (input ? (copies.get(input) ?? input) : null));
    const attrs = Object.fromEntries(node.attrs) as Parameters<GraphBuilder['node']>[2];
    const made = b.node(node.op, inputs, attrs, { domain: node.domain })[0]!;
    made.setType(node.outputs[0]!.type);
    copies.set(node.outputs[0]!, made);
  }
  for (const use of [...value.uses]) {
    if (pass.backward.has(use.node)) use.node.setInput(use.index, copies.get(value)!);
  }
  return true;
}

/** Brings the node list into an order in which every node follows what it reads. */
function sort(graph: Graph): void {
  if (isInOrder(graph)) return;
  const order = topologicalOrder(graph);
  for (let i = order.length - 2; i >= 0; i--) graph.moveBefore(order[i + 1]!, order[i]!);
}
