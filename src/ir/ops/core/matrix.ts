import type { Node } from '../../model.js';
import { type Shape, shapeText } from '../../shape.js';
import type { DimExpr } from './define.js';
import { broadcastShapes, productOf } from './dims.js';
import { dimExpr, dimProduct, mustAgree, refuse, sum } from './rules.js';

/** Shape of numpy.matmul: vectors are promoted, leading dimensions broadcast. Null when an input is unknown. */
export function matmulShape(
  node: Node,
  a: Shape | null | undefined,
  b: Shape | null | undefined,
): Shape | null {
  if (a?.length === 0 || b?.length === 0) refuse(node, 'a scalar cannot be multiplied as a matrix');
  if (!a || !b) return null;
  mustAgree(node, a.at(-1), b.length === 1 ? b[0] : b.at(-2), 'inner extents');
  const batch = broadcastShapes([a.slice(0, -2), b.slice(0, -2)]);
  if (!batch) refuse(node, `leading dimensions of ${shapeText(a)} and ${shapeText(b)} do not broadcast`);
  return [...batch, ...(a.length === 1 ? [] : [a.at(-2)!]), ...(b.length === 1 ? [] : [b.at(-1)!])].map(
    (dim) => dim ?? null,
  );
}

/** Number of elements of a shape, symbolic dimensions by name. */
export function elements(shape: Shape | null): DimExpr {
  if (!shape) return { op: 'dim', name: '?' };
  const count = productOf(shape);
  return typeof count === 'number' ? { op: 'const', value: count } : dimProduct(1, ...shape.map(dimExpr));
}

/** Multiply-adds count as two operations; every operand and the result is moved once, `width` bytes per element. */
export function matrixCost(
  inner: Shape | null,
  operands: readonly (Shape | null)[],
  result: Shape | null,
  width = 4,
): { readonly flops: DimExpr; readonly bytes: DimExpr } {
  const k = dimExpr(inner?.at(-1));
  return {
    flops: dimProduct(2, elements(result), k),
    bytes: dimProduct(width, sum(...[...operands, result].map(elements))),
  };
}

/** The last two dimensions swapped when `turn` is set. */
export function transposedShape(shape: Shape | null | undefined, turn: number): Shape | null {
  if (!shape || shape.length < 2 || !turn) return shape ?? null;
  return [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!].map((dim) => dim ?? null);
}
