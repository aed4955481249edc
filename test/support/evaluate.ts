import { fromF16, toF16 } from '../../src/ir/half.js';
import { type Graph, modelOf, type Value } from '../../src/ir/model.js';
import { nodeOpset } from '../../src/ir/ops/core/attrs.js';
import type { NdArray } from '../../src/ir/ops/core/define.js';
import { ndOf } from '../../src/ir/ops/core/tensor-values.js';
import { opDef } from '../../src/ir/ops/index.js';
import { topologicalOrder } from '../../src/ir/topo.js';

/** To the nearest number of the value's element type; past the largest it is infinite. */
function rounded(value: Value, nd: NdArray): NdArray {
  const dtype = value.type?.kind === 'tensor' ? value.type.dtype : null;
  const one = dtype === 'f16' ? (v: number) => fromF16(toF16(v)) : dtype === 'f32' ? Math.fround : null;
  return one ? { ...nd, data: nd.data.map(one) } : nd;
}

/**
 * Runs a graph node by node with the float64 references of the operator registry. Types must be inferred first: some
 * references ask for element types. Returns the value of everything that was computed. With `precision` 'declared' each
 * result is rounded to the element type of its value: float16 overflows as on a device that has it.
 */
export function evaluateGraph(
  graph: Graph,
  feeds: ReadonlyMap<string, NdArray>,
  precision: 'double' | 'declared' = 'double',
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
    const def = opDef(node.domain, node.op, nodeOpset(node));
    if (!def?.value) throw new Error(`${node.opKey} has no reference`);
    const results = def.value(
      node,
      node.inputs.map((value) => value && of(value)),
    );
    for (const [k, output] of node.outputs.entries())
      if (output.name !== '' && results[k])
        values.set(output, precision === 'double' ? results[k] : rounded(output, results[k]));
  }
  return values;
}
