import type { Node } from '../../ir/model.js';

/** The number by which a product is multiplied; 1 for operators without one. */
export function alphaOf(node: Node): number {
  const attr = node.attrs.get('alpha');
  return attr?.kind === 'float' ? attr.value : 1;
}

/** Whether an integer attribute is there and not 0. */
export function isSet(node: Node, name: string): boolean {
  const attr = node.attrs.get(name);
  return attr?.kind === 'int' && Number(attr.value) !== 0;
}
