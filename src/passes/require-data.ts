import type { Model } from '../ir/model.js';
import type { TensorData } from '../ir/tensor.js';

/**
 * Checks that every tensor of a model that lies in a file is there, from its first byte to its last, without reading them.
 * Throws LOTR1102 (external data) or LOTR1002.
 */
export function requireData(model: Model): void {
  for (const graph of model.everyGraph()) {
    for (const { constant } of graph.initializers.values()) if (constant) locate(constant);
    for (const node of graph.nodes) {
      for (const attr of node.attrs.values()) if (attr.kind === 'tensor') locate(attr.value);
    }
  }
}

function locate(data: TensorData): void {
  if (data.origin.kind === 'file' && data.carried?.external) data.slice(0, Math.min(1, data.byteLength));
}
