import type { Node, Value } from '../../ir/model.js';
import type { TensorData } from '../../ir/tensor.js';

/** Where a weight that a node reads is stored, and what lies between. */
export interface StoredWeight {
  readonly data: TensorData;
  /** the initializer, or the Constant node's output */
  readonly holder: Value;
  /** nodes from the storage to the reader: Identity, Transpose, Cast */
  readonly via: readonly Node[];
  /** an odd number of Transposes lies between: the stored matrix is the transpose of the one that is read */
  readonly transposed: boolean;
}

/** Follows Identity, Cast and 2-D Transpose back to the stored matrix; null when the weight is computed. */
export function storedWeight(weight: Value): StoredWeight | null {
  const via: Node[] = [];
  let transposed = false;
  let value: Value = weight;
  for (let steps = 0; steps < 16; steps++) {
    if (value.constant) return { data: value.constant, holder: value, via, transposed };
    const node: Node | null = value.producer;
    if (!node) return null;
    const attr = node.opKey === 'Constant' ? node.attrs.get('value') : undefined;
    if (attr?.kind === 'tensor') return { data: attr.value, holder: value, via, transposed };
    const source: Value | null | undefined = node.inputs[0];
    if (!source || !['Identity', 'Transpose', 'Cast'].includes(node.opKey)) return null;
    if (node.opKey === 'Transpose') {
      const perm = node.attrs.get('perm');
      const order = perm?.kind === 'ints' ? perm.value.map(Number).join() : '1,0';
      if (order !== '1,0' && order !== '0,1') return null;
      if (order === '1,0') transposed = !transposed;
    }
    via.unshift(node);
    value = source;
  }
  return null;
}
