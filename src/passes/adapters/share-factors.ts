import type { Model, Value } from '../../ir/model.js';

/**
 * One `x R` for siblings that read the same x and share R (query, key, value): products that lowering made and that
 * have the same operands become one. x R is the only token-sized product that siblings have in common, so this is what
 * sharing the outer factor saves at run time. Touches only nodes made by `lower`.
 */
export function shareFactors(model: Model): number {
  let merged = 0;
  for (const graph of model.everyGraph()) {
    const known = new Map<Value, Map<Value, Value>>();
    for (const node of graph.nodes) {
      if (node.origin.pass !== 'lower' || node.opKey !== 'MatMul') continue;
      const [x, r] = [node.inputs[0]!, node.inputs[1]!];
      const byFactor = known.get(x) ?? new Map<Value, Value>();
      known.set(x, byFactor);
      const held = byFactor.get(r);
      if (!held) {
        byFactor.set(r, node.outputs[0]!);
        continue;
      }
      node.outputs[0]!.replaceAllUsesWith(held);
      graph.erase(node);
      merged++;
    }
  }
  return merged;
}
