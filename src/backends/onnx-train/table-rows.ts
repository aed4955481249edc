import type { Value } from '../../ir/model.js';
import type { Shape } from '../../ir/shape.js';

/** Ops that pass ids on in their order. */
const SAME: ReadonlySet<string> = new Set(['Cast', 'Identity', 'Reshape', 'Unsqueeze', 'Squeeze', 'Flatten']);

/**
 * How many rows the tables have that an input's ids choose from (Gather along axis 0), the smallest of several; null
 * when it chooses from none whose extent is known.
 */
export function tableRows(input: Value): number | null {
  let rows: number | null = null;
  const open: Value[] = [input];
  for (let value = open.pop(); value; value = open.pop()) {
    for (const { node, index } of value.uses) {
      if (SAME.has(node.opKey) && index === 0) open.push(...node.outputs);
      if (node.opKey !== 'Gather' || index !== 1) continue;
      const axis = node.attrs.get('axis');
      const extent = shapeOf(node.inputs[0] ?? null)?.[0];
      if (typeof extent !== 'number' || (axis?.kind === 'int' && Number(axis.value) !== 0)) continue;
      rows = Math.min(rows ?? extent, extent);
    }
  }
  return rows;
}

function shapeOf(value: Value | null): Shape | null {
  if (value?.constant) return value.constant.shape;
  return value?.type?.kind === 'tensor' ? value.type.shape : null;
}
