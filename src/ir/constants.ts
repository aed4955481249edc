import type { Node, Value } from './model.js';
import type { TensorData } from './tensor.js';

/** Whether a node delivers a constant: a tensor, a list, a number or a text. */
export function isConstantNode(node: Node | null | undefined): node is Node<'Constant'> {
  return node?.is('Constant') ?? false;
}

/** The tensor that a Constant node delivers; null for any other node, and for lists, numbers and texts. */
export function constantTensor(node: Node | null | undefined): TensorData | null {
  const attr = isConstantNode(node) ? node.attrs.get('value') : undefined;
  return attr?.kind === 'tensor' ? attr.value : null;
}

/** The data of an initializer or of a Constant node's output. */
export function constantData(value: Value): TensorData | null {
  return value.constant ?? constantTensor(value.producer);
}
