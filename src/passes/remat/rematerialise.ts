import { GraphBuilder } from '../../ir/builder.js';
import type { Graph, Node, Value } from '../../ir/model.js';
import { topologicalOrder } from '../../ir/topo.js';
import { anchored, awaited, type Backward } from './anchor.js';
import { isConstantValue, type Recipe, recipeOf, sourceOf } from './recipe.js';
import { isOpen, isSmall, isWorth } from './size.js';
import { backwardValues, redirect, replay, sort, usedIn } from './walk.js';

/**
 * Computes activations again in the backward pass where that is cheap (elementwise ops, normalisations, softmax, products
 * over one attention head) and all that it needs is kept anyway. `forward` are the nodes of the forward pass and the loss;
 * all other nodes of the graph are the backward pass, which starts from `seeds`. Types must be inferred. The results are
 * those of the same ops on the same values. Returns the values that are no longer kept.
 */
export function rematerialise(
  graph: Graph,
  forward: ReadonlySet<Node>,
  seeds: Iterable<Value>,
): readonly Value[] {
  const order = topologicalOrder(graph);
  const backward = new Set(order.filter((node) => !forward.has(node)));
  const gradients = backwardValues(order, backward, seeds);
  const dropped = new Map<Value, Recipe>();
  const held = heldValues(order, forward, backward);
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

/**
 * What is at hand in the backward pass: the values that it reads, and of those that only hold the elements of another value in another
 * order, that other one, which is kept in their place. A single one of them stays as it is: it is as large, and
 * moving its elements again takes a pass.
 */
function heldValues(
  order: readonly Node[],
  forward: ReadonlySet<Node>,
  backward: ReadonlySet<Node>,
): ReadonlySet<Value> {
  const held = new Set<Value>();
  const views = new Map<Value, number>();
  for (const node of order) {
    if (!forward.has(node)) continue;
    for (const output of node.outputs) {
      if (!usedIn(output, backward)) continue;
      held.add(output);
      const source = sourceOf(output);
      if (source !== output) views.set(source, (views.get(source) ?? 0) + 1);
    }
  }
  for (const [source, count] of views) if (count > 1) held.add(source);
  return held;
}

/** A value that another recipe starts from has to stay. */
function usedAsLeaf(value: Value, dropped: ReadonlyMap<Value, Recipe>): boolean {
  for (const { leaves } of dropped.values()) if (leaves.has(value)) return true;
  return false;
}

function rebuild(graph: Graph, value: Value, { nodes, leaves }: Recipe, pass: Backward): boolean {
  const gradient = awaited(value, pass);
  if (!gradient) return false;
  const b = new GraphBuilder(graph, { before: null, pass: 'rematerialise', prefix: 'remat' });
  const copies = new Map<Value, Value>();
  for (const leaf of leaves) {
    // weights, factors and masks are read as they are: one operand that waits for the gradient is enough
    if (isConstantValue(leaf) || isSmall(leaf) || !isOpen(leaf)) continue;
    const copy = anchored(b, leaf, gradient, pass);
    if (!copy) return false;
    copies.set(leaf, copy);
  }
  if (copies.size === 0) return false;
  replay(b, nodes, copies);
  redirect(value, copies.get(value)!, pass.backward);
  return true;
}
