import { attrFloat } from '../../ir/attr.js';
import { constantData } from '../../ir/constants.js';
import type { Graph, Node, Value } from '../../ir/model.js';
import { attrsOf } from '../../ir/ops/core/attrs.js';
import { toF64 } from '../../ir/values.js';

/** Operators whose result is their first input in another form: a number times it is the form of the number times it. */
const FORMS: ReadonlySet<string> = new Set(['Reshape', 'Transpose', 'Squeeze', 'Unsqueeze', 'Identity']);

/**
 * Products of a gradient with a stored number become the alpha of the Gemm whose result, alone and in whatever form, they
 * multiply: that takes no pass over the activations. `isNew` are the nodes that gradients are made of, `results` the gradients that
 * are wanted, which stay. Returns how many.
 */
export function foldScales(
  graph: Graph,
  isNew: (node: Node) => boolean,
  results: ReadonlySet<Value>,
): number {
  let count = 0;
  for (const node of [...graph.nodes]) {
    const product = node.outputs[0];
    if (!isNew(node) || !node.is('Mul') || !product || product.isOutput || results.has(product)) continue;
    const [a, b] = [node.inputs[0]!, node.inputs[1]!];
    for (const [x, scale] of [
      [a, numberIn(b)],
      [b, numberIn(a)],
    ] as const) {
      const gemm = scale === null ? null : gemmBehind(x, isNew);
      if (!gemm) continue;
      gemm.setAttr('alpha', attrFloat(attrsOf(gemm).alpha * scale!));
      product.replaceAllUsesWith(x);
      graph.erase(node);
      count++;
      break;
    }
  }
  return count;
}

/** A stored number without axes: it adds none to what it multiplies. */
function numberIn(value: Value): number | null {
  const data = constantData(value);
  return data && data.shape.length === 0 ? toF64(data)[0]! : null;
}

/** The Gemm without an addend whose result this is, when nothing else reads it. */
function gemmBehind(value: Value, isNew: (node: Node) => boolean): Node<'Gemm'> | null {
  for (let at: Value | null = value; at; at = at.producer?.inputs[0] ?? null) {
    const { producer } = at;
    if (!producer || !isNew(producer) || at.uses.size !== 1 || at.isOutput) return null;
    if (producer.is('Gemm')) return producer.inputs[2] ? null : producer;
    if (!FORMS.has(producer.opKey)) return null;
  }
  return null;
}
