import type { Node, Value } from '../../ir/model.js';
import { constantData } from '../../passes/sites/constant.js';

/** Nodes through which an index keeps its value. */
const CARRIERS = new Set([
  'Cast',
  'Identity',
  'Reshape',
  'Unsqueeze',
  'Squeeze',
  'Flatten',
  'Slice',
  'Expand',
  'Transpose',
]);
/** Contrib embedding: operand of the indices and operand of the table. */
const EMBEDDING: readonly (readonly [number, number])[] = [
  [0, 2],
  [1, 4],
];

/** The smallest number of rows of the tables that an input indexes; null when it indexes none. */
export function indexBound(input: Value): number | null {
  let bound: number | null = null;
  const seen = new Set<Value>([input]);
  for (const value of seen) {
    for (const { node, index } of value.uses) {
      const rows = rowsOf(node, index);
      if (rows !== null) bound = Math.min(bound ?? rows, rows);
      if (index === 0 && CARRIERS.has(node.opKey)) seen.add(node.outputs[0]!);
    }
  }
  return bound;
}

function rowsOf(node: Node, index: number): number | null {
  if (node.opKey === 'Gather' && index === 1) {
    const axis = node.attrs.get('axis');
    return extent(node.inputs[0], axis?.kind === 'int' ? Number(axis.value) : 0);
  }
  if (node.opKey === 'com.microsoft::EmbedLayerNormalization') {
    const row = EMBEDDING.find(([indices]) => indices === index);
    return row ? extent(node.inputs[row[1]], 0) : null;
  }
  return null;
}

function extent(table: Value | null | undefined, axis: number): number | null {
  if (!table) return null;
  const data = constantData(table);
  const shape = data?.shape ?? (table.type?.kind === 'tensor' ? table.type.shape : null);
  const rows = shape?.at(axis);
  return typeof rows === 'number' && rows > 0 ? rows : null;
}
