import { opsetOf } from '../../ir/builder.js';
import type { Graph, GraphFunction, Model, Node } from '../../ir/model.js';
import { constantOf, constantScalar } from '../../ir/ops/core/gradient.js';
import { declaredOp } from '../../ir/ops/index.js';
import { topologicalOrder } from '../../ir/topo.js';
import { calledBy } from '../inline/inline.js';

/** Dropout has a training mode from this operator set on. */
const TRAINING_SINCE = 12;

/** Where a model draws random numbers. */
export interface Draws {
  /** Dropout that is or may be in training mode, of the main graph and of branches of If, in an order of computation */
  readonly dropouts: readonly Node[];
  /** the same in bodies of loops and functions, where one node draws several masks in a run */
  readonly repeated: readonly Node[];
  /** other nodes that draw random numbers */
  readonly others: readonly Node[];
}

export function findDraws(model: Model): Draws {
  const [dropouts, repeated, others]: [Node[], Node[], Node[]] = [[], [], []];
  const walk = (graph: Graph, list: Node[]): void => {
    for (const node of topologicalOrder(graph)) {
      if (drawsMask(node)) list.push(node);
      const { random, runs } = declaredOp(node.opKey) ?? {};
      if (random) others.push(node);
      for (const inner of node.subgraphs()) walk(inner, runs === 'branch' ? list : repeated);
    }
  };
  walk(model.graph, dropouts);
  for (const fn of model.functions.values()) walk(fn.graph, repeated);
  return { dropouts, repeated, others };
}

/** Whether a node is a Dropout that may change its input. */
function drawsMask(node: Node): boolean {
  const [, ratio, training] = node.inputs;
  if (node.opKey !== 'Dropout' || !training || opsetOf(node.graph!) < TRAINING_SINCE) return false;
  return constantOf(training)?.bytes()[0] !== 0 && !(ratio && constantScalar(ratio) === 0);
}

/** Puts every Dropout in inference mode, also those in bodies of loops and functions. */
export function dropoutOff(model: Model): void {
  for (const node of model.everyNode()) if (drawsMask(node)) node.setInput(2, null);
}

/** Lets readers of a Dropout in inference mode read its input, where nothing reads its mask. */
export function bypassDropout(model: Model): void {
  for (const graph of model.everyGraph()) {
    for (const node of [...graph.nodes]) {
      const [x] = node.inputs;
      if (node.opKey !== 'Dropout' || !x || drawsMask(node)) continue;
      const [y, mask] = node.outputs;
      if (!y || y.isOutput || mask?.isOutput || (mask && mask.uses.size > 0)) continue;
      y.replaceAllUsesWith(x);
      graph.erase(node);
    }
  }
}

/** Functions in whose bodies, or in those of functions that they call, Dropout draws masks. */
export function drawingFunctions(model: Model): ReadonlySet<GraphFunction> {
  const found = new Set<GraphFunction>();
  const draws = (graph: Graph): boolean => {
    for (const node of graph.nodes) {
      const called = calledBy(model, node);
      if (drawsMask(node) || (called && found.has(called)) || [...node.subgraphs()].some(draws)) return true;
    }
    return false;
  };
  for (let before = -1; before < found.size; ) {
    before = found.size;
    for (const fn of model.functions.values()) if (!found.has(fn) && draws(fn.graph)) found.add(fn);
  }
  return found;
}
