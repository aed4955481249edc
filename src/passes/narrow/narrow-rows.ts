import { GraphBuilder } from '../../ir/builder.js';
import { constantTensor } from '../../ir/constants.js';
import type { Model, Node, Value } from '../../ir/model.js';
import { axisIn, shapeAt } from '../../ir/ops/core/rules.js';
import { i64Tensor } from '../../ir/tensor.js';
import { topologicalOrder } from '../../ir/topo.js';
import { toIntegers } from '../../ir/values.js';
import { removeDeadIn } from '../dce.js';
import { inferShapes } from '../infer-shapes.js';
import { definePass } from '../pipeline.js';
import { coneOf, isCostly, type Narrowed } from './cone.js';

/**
 * Computes only the rows that are read: after every Gather of one constant index, the operators that treat this axis
 * index by index are recreated for that index. Exact up to the rounding of a product with fewer rows. Only where a product
 * becomes smaller; a Gather of the same index is placed at the edge. In a classifier on the first token this saves nearly
 * the whole last layer, forward and backward. Returns how many operators became smaller.
 */
export function narrowRows(model: Model): number {
  inferShapes(model);
  let count = 0;
  for (const node of topologicalOrder(model.graph).reverse()) {
    const index = node.opKey === 'Gather' ? indexOf(node) : null;
    const from = node.inputs[0];
    const shape = shapeAt(node, 0);
    if (index === null || !from || !shape) continue;
    const attr = node.attrs.get('axis');
    const cone = coneOf(
      node,
      from,
      axisIn(node, attr?.kind === 'int' ? Number(attr.value) : 0, shape.length),
    );
    if (!cone.some((item) => isCostly(item.node))) continue;
    count += cone.length;
    rebuild(node, index, cone);
  }
  if (count > 0) {
    removeDeadIn(model.graph);
    inferShapes(model);
  }
  return count;
}

/** The one constant index of a Gather. */
function indexOf(node: Node): number | null {
  const data = constantOf(node.inputs[1] ?? null);
  if (!data || data.shape.some((extent) => extent !== 1)) return null;
  return toIntegers(data)[0] ?? null;
}

function constantOf(value: Value | null) {
  return constantTensor(value?.producer) ?? ((value?.isInput ?? true) ? null : value!.constant);
}

function rebuild(reader: Node, index: number, cone: readonly Narrowed[]): void {
  const graph = reader.graph!;
  const made = new Map<Value, Value>();
  const edges = new Map<string, Value>();
  const place = (node: Node) =>
    new GraphBuilder(graph, { before: reader, pass: 'narrow-rows', from: [node.name], prefix: 'rows' });
  const at = place(reader);
  const one = at.constant(i64Tensor([1], [index]), 'rows/index');
  const narrowed = (value: Value, axis: number): Value => {
    const inside = made.get(value);
    if (inside) return inside;
    const key = `${axis} ${value.name}`;
    const edge =
      edges.get(key) ?? at.node('Gather', [value, one], { axis: { kind: 'int', value: BigInt(axis) } })[0]!;
    edges.set(key, edge);
    return edge;
  };
  for (const { node, slices } of [...cone].reverse()) {
    const inputs = node.inputs.map((input, k) => {
      const axis = slices.axes[k] ?? null;
      return input && axis !== null ? narrowed(input, axis) : input;
    });
    const b = place(node);
    const attrs = Object.fromEntries(node.attrs) as Parameters<GraphBuilder['node']>[2];
    const result = slices.one
      ? slices.one(b, inputs)
      : b.node(node.op, inputs, attrs, { domain: node.domain })[0]!;
    made.set(node.outputs[0]!, result);
  }
  reader.setInput(0, made.get(reader.inputs[0]!)!);
  const rank = reader.inputs[1]?.type?.kind === 'tensor' ? (reader.inputs[1].type.shape?.length ?? 0) : 0;
  reader.setInput(1, at.constant(i64Tensor(new Array<number>(rank).fill(1), [0]), 'rows/first'));
}

export const narrowRowsPass = definePass({
  name: 'narrow-rows',
  summary: 'compute only the rows that a Gather of one index reads',
  options: {},
  run(model, _, ctx) {
    const count = narrowRows(model);
    ctx.stat('narrowed', count);
    return count > 0 ? 'changed' : 'unchanged';
  },
});
