import { attrText, type HeldAttr } from '../../attr.js';
import type { Node, Value } from '../../model.js';
import type { GradBuilder } from '../define.js';
import { add, type Count, extentOf, shapeOf, vector } from './counts.js';
import { contract, identityMatrix } from './linear-map.js';
import { attributesOf, entry, numbers, padAxes, range, slice } from './shape.js';
import { axisOf, input, type Vjp } from './vjp.js';

/**
 * Pad. With a constant: the stretch of the gradient that x filled, and zeros where padding below 0 cut x off. Other modes
 * repeat elements of x: along each axis they are a linear map, whose matrix is the identity matrix padded in the same way.
 * Pads may be computed in each run.
 */
export const padVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const rows = countsOf(b, node, b.rank(x));
  if (!rows) return { because: 'its axes are only known when it runs', at: node };
  const attr = node.attrs.get('mode');
  const mode = attr?.kind === 'string' ? attrText(attr.value) : 'constant';
  const dx = mode === 'constant' ? inner(b, dy!, x, rows) : folded(b, node, dy!, rows, attr!);
  const fill = b.wants(2)
    ? b.reshapeLike(b.sub(sumAll(b, node.outputs[0]!, dy!), sumAll(b, x, dx)), input(node, 2))
    : null;
  return [dx, null, fill, null];
};

type Row = readonly [before: Count, after: Count];

/** What was added before and after each axis; null when nothing says which axes. Axes that stay are left out. */
function countsOf(b: GradBuilder, node: Node, rank: number): ReadonlyMap<number, Row> | null {
  const pads = node.inputs[1] ?? null;
  const known = pads
    ? b.contents(pads)
    : (attributesOf(node.attrs)('pads') ?? attributesOf(node.attrs)('paddings'));
  const axes = node.inputs[3] ? numbers(b, node.inputs[3])?.map((axis) => axisOf(axis, rank)) : range(rank);
  if (!axes || (!pads && !known)) return null;
  const at = (i: number): Count => {
    const count = known?.[i];
    return typeof count === 'number' ? count : entry(b, pads!, i);
  };
  const rows = axes.map((axis, i) => [axis, [at(i), at(i + axes.length)]] as const);
  return new Map(rows.filter(([, [before, after]]) => before !== 0 || after !== 0));
}

/** The part of the gradient that comes from x; zeros for what was cut off. */
function inner(b: GradBuilder, dy: Value, x: Value, rows: ReadonlyMap<number, Row>): Value {
  const widths = new Map<number, readonly [Value, Value]>();
  let gradient = dy;
  for (const [axis, [before, after]] of rows) {
    if (typeof before !== 'number' || typeof after !== 'number') {
      // Pad cuts off where a width is below 0
      widths.set(axis, [b.neg(vector(b, before)), b.neg(vector(b, after))]);
      continue;
    }
    const lead = Math.max(before, 0);
    const kept = add(b, extentOf(b, x, axis), Math.min(before, 0) + Math.min(after, 0));
    if (before > 0 || after > 0)
      gradient = slice(b, gradient, b.ints([lead]), vector(b, add(b, kept, lead)), axis);
    if (before < 0 || after < 0)
      widths.set(axis, [b.ints([Math.max(-before, 0)]), b.ints([Math.max(-after, 0)])]);
  }
  return widths.size === 0 ? gradient : padAxes(b, gradient, b.rank(x), widths, x);
}

/** Modes that repeat elements: the gradient of each copy is added to that of its element. */
function folded(
  b: GradBuilder,
  node: Node,
  dy: Value,
  rows: ReadonlyMap<number, Row>,
  mode: HeldAttr,
): Value {
  const x = input(node, 0);
  const extents = range(b.rank(x)).map((axis) => extentOf(b, node.outputs[0]!, axis));
  let gradient = dy;
  for (const [axis, [before, after]] of rows) {
    const extent = extentOf(b, x, axis);
    extents[axis] = extent;
    const pads = shapeOf(b, [before, 0, after, 0]);
    const matrix = b.one('Pad', [identityMatrix(b, extent, x), pads], { mode });
    gradient = contract(b, gradient, matrix, axis, extents);
  }
  return gradient;
}

/** The sum of all elements of a gradient of `of`. */
function sumAll(b: GradBuilder, of: Value, gradient: Value): Value {
  return b.reduceSum(gradient, range(b.rank(of)), false);
}
