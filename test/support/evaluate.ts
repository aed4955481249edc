import { type Graph, modelOf, type Value } from '../../src/ir/model.js';
import { opsetOf } from '../../src/ir/ops/attrs.js';
import type { NdArray } from '../../src/ir/ops/define.js';
import { opDef } from '../../src/ir/ops/index.js';
import { ndOf } from '../../src/ir/ops/tensor-values.js';
import { topologicalOrder } from '../../src/ir/topo.js';

/**
 * Runs a graph node by node with the float64 references of the operator registry. Types must be inferred first: some
 * references ask for element types. Returns the value of everything that was computed.
 */
export function evaluateGraph(
  graph: Graph,
  feeds: ReadonlyMap<string, NdArray>,
): ReadonlyMap<Value, NdArray> {
  const values = new Map<Value, NdArray>();
  for (const [name, data] of feeds) values.set(graph.own(name)!, data);
  const of = (value: Value): NdArray => {
    const known = values.get(value) ?? (value.constant && ndOf(value.constant));
    if (!known) throw new Error(`"${value.name}" has no value`);
    values.set(value, known);
    return known;
  };
  if (!modelOf(graph)) throw new Error('the graph belongs to no model');
  for (const node of topologicalOrder(graph)) {
    const def = opDef(node.domain, node.op, opsetOf(node));
    if (!def?.evaluate) throw new Error(`${node.opKey} has no reference`);
    const results = def.evaluate(
      node,
      node.inputs.map((value) => value && of(value)),
    );
    for (const [k, output] of node.outputs.entries())
      if (output.name !== '' && results[k]) values.set(output, results[k]);
  }
  return values;
}
