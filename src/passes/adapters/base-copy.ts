import { planFactors } from '../../adapter/plan-factors.js';
import type { Model, Value } from '../../ir/model.js';
import { topologicalOrder } from '../../ir/topo.js';
import { dependents } from '../dependents.js';
import { copyNode, type Substitution } from '../inline/copy.js';
import { readPlan } from '../plan/plan.js';
import { ADAPTED } from './adapted-node.js';
import { placeBaseLayer } from './base-layer.js';
import { restoreBase } from './strip.js';

/**
 * Computes the outputs of a raised model a second time without its adapters, as further outputs of the graph; returns the
 * name of each by that of the output. What does not depend on an adapter is not repeated, and the copies have no Dropout.
 * An output that depends on no adapter has no copy.
 */
export function copyBase(model: Model): ReadonlyMap<string, string> {
  const { graph } = model;
  const factors = planFactors(readPlan(model)?.plans ?? []).map(({ name }) => name);
  const adapted = new Set([...model.everyNode()].filter(({ opKey }) => opKey === ADAPTED));
  const values = new Map<Value, Value | null>();
  const into: Substitution = {
    attribute: () => null,
    values,
    prefix: 'base',
    names: graph.names,
    origin: [],
  };
  for (const node of dependents(graph, topologicalOrder(graph), factors)) {
    const [x] = node.inputs;
    const [y, mask] = node.outputs;
    if (node.opKey === 'Dropout' && x && y && !(mask && mask.uses.size > 0)) {
      values.set(y, values.get(x) ?? x);
      continue;
    }
    const copy = copyNode(node, into);
    graph.attach(copy);
    if (node.opKey === ADAPTED) {
      values.set(y!, placeBaseLayer(copy, copy.inputs[1]!, `base/${y!.name}`));
      graph.erase(copy);
    }
  }
  // those in bodies of the copies
  for (const node of [...model.everyNode()])
    if (node.opKey === ADAPTED && !adapted.has(node)) restoreBase(node, node.inputs[1]!);
  const names = new Map<string, string>();
  for (const output of [...graph.outputs]) {
    const copied = values.get(output);
    if (!copied) continue;
    copied.setType(output.type);
    if (!copied.isOutput) graph.addOutput(copied);
    names.set(output.name, copied.name);
  }
  return names;
}
