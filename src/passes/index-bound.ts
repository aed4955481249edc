import { constantData } from '../ir/constants.js';
import type { Node, Value } from '../ir/model.js';
import { declaredOp } from '../ir/ops/index.js';
import { shapeOf } from '../ir/shape.js';

/**
 * The smallest number of rows of the tables that an input indexes; null when it indexes none. `needed`: one that every
 * element must keep, from tables that the whole input chooses rows of; else one that is safe, also from tables that a slice
 * of it indexes, or along another axis.
 */
export function indexBound(input: Value, bounds: 'needed' | 'safe'): number | null {
  const needed = bounds === 'needed';
  let bound: number | null = null;
  const seen = new Set<Value>([input]);
  for (const value of seen) {
    for (const { node, index } of value.uses) {
      const rows = rowsOf(node, index, needed);
      if (rows !== null) bound = Math.min(bound ?? rows, rows);
      const { elements } = declaredOp(node.opKey) ?? {};
      // tables that a part of the input indexes bind that part only
      if (index === 0 && elements && (elements !== 'part' || !needed))
        for (const output of node.outputs) seen.add(output);
    }
  }
  return bound;
}

function rowsOf(node: Node, index: number, needed: boolean): number | null {
  const lookup = declaredOp(node.opKey)?.lookups?.find(({ indices }) => indices === index);
  if (!lookup) return null;
  const attr = node.attrs.get('axis');
  const axis = attr?.kind === 'int' ? Number(attr.value) : 0;
  return needed && axis !== 0 ? null : extent(node.inputs[lookup.table], axis);
}

function extent(table: Value | null | undefined, axis: number): number | null {
  if (!table) return null;
  const rows = (constantData(table)?.shape ?? shapeOf(table))?.at(axis);
  return typeof rows === 'number' && rows > 0 ? rows : null;
}
