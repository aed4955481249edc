import { attrText, type HeldAttr } from '../attr.js';
import type { Node, Value } from '../model.js';
import type { Dim } from '../shape.js';
import { attrsOf } from './core/attrs.js';
import { addCounts, type Count, extentOf, shapeOfCounts, vector } from './core/counts.js';
import { type GradBuilder, type InferContext, type NdArray, type OpDef, op } from './core/define.js';
import { addDim, type Ints } from './core/dims.js';
import { axisOf, input } from './core/gradient.js';
import { attributesOf, entry, numbers, padAxes, range, slice } from './core/gradient-shape.js';
import { contractAxis, identityMatrix } from './core/linear-map.js';
import { fromIndex, offset, stridesOf } from './core/nd.js';
import { attrs, axisIn, need, numbersAt, one, refuse, rule, tensorAt, unknownDims } from './core/rules.js';

function rowsOf(node: Node, pads: Ints, axes: readonly number[] | undefined, rank: number): [Dim, Dim][] {
  const chosen = axes?.map((axis) => axisIn(node, axis, rank)) ?? Array.from({ length: rank }, (_, k) => k);
  if (pads.length !== 2 * chosen.length) refuse(node, `${pads.length} pads for ${chosen.length} dimensions`);
  const rows = Array.from({ length: rank }, (): [Dim, Dim] => [0, 0]);
  for (const [i, axis] of chosen.entries()) rows[axis] = [pads[i]!, pads[i + chosen.length]!];
  return rows;
}

/** Where position `at` of the padded line comes from; -1 for the fill value. */
function inside(at: number, extent: number, mode: string): number {
  if (at >= 0 && at < extent) return at;
  if (mode === 'edge') return at < 0 ? 0 : extent - 1;
  if (mode === 'wrap') return ((at % extent) + extent) % extent;
  if (mode !== 'reflect') return -1;
  const period = Math.max(1, 2 * (extent - 1));
  const folded = ((at % period) + period) % period;
  return folded < extent ? folded : period - folded;
}

function padOf(since: number, until?: number): OpDef<'Pad'> {
  const asInput = since >= 11;
  const padsFor = (node: Node<'Pad'>, ctx: InferContext): Ints | null => {
    if (asInput) return ctx.ints(1);
    const a = attrs(node, ctx);
    return a.pads ?? a.paddings ?? null;
  };
  return op({
    name: 'Pad',
    since,
    ...(until ? { until } : {}),
    traits: ['pure'],
    infer: rule((node, ctx) => {
      const x = tensorAt(ctx, 0);
      if (!x?.shape) return one(x?.dtype, null);
      const pads = padsFor(node, ctx);
      const axes = node.inputs[3] ? numbersAt(ctx, 3) : undefined;
      if (!pads || axes === null) return one(x.dtype, unknownDims(x.shape.length));
      const rows = rowsOf(node, pads, axes, x.shape.length);
      return one(
        x.dtype,
        x.shape.map((dim, k) => addDim(dim, addDim(rows[k]![0], rows[k]![1]))),
      );
    }),
    value: (node, inputs): NdArray[] => {
      const x = need(inputs, 0);
      const a = attrsOf(node);
      const pads = asInput ? [...need(inputs, 1).data] : (a.pads ?? a.paddings ?? []);
      const fill = (asInput ? inputs[2]?.data[0] : a.value) ?? 0;
      const rows = rowsOf(node, pads, inputs[3] ? [...inputs[3].data] : undefined, x.shape.length) as [
        number,
        number,
      ][];
      const strides = stridesOf(x.shape);
      const shape = x.shape.map((dim, k) => dim + rows[k]![0] + rows[k]![1]);
      return [
        fromIndex(shape, (index) => {
          const from = index.map((i, k) => inside(i - rows[k]![0], x.shape[k]!, a.mode ?? 'constant'));
          return from.includes(-1) ? fill : x.data[offset(strides, from)]!;
        }),
      ];
    },
  });
}

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
    const kept = addCounts(b, extentOf(b, x, axis), Math.min(before, 0) + Math.min(after, 0));
    if (before > 0 || after > 0)
      gradient = slice(b, gradient, b.ints([lead]), vector(b, addCounts(b, kept, lead)), axis);
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
    const pads = shapeOfCounts(b, [before, 0, after, 0]);
    const matrix = b.one('Pad', [identityMatrix(b, extent, x), pads], { mode });
    gradient = contractAxis(b, gradient, matrix, axis, extents);
  }
  return gradient;
}

/** The sum of all elements of a gradient of `of`. */
function sumAll(b: GradBuilder, of: Value, gradient: Value): Value {
  return b.reduceSum(gradient, range(b.rank(of)), false);
}

/**
 * Pad: elements added before and after each dimension (negative: removed), all befores first and then all afters.
 * The pads are an attribute before version 11 and an input from then on; axes may be given from version 18 on.
 */
export const Pad = op([padOf(1, 10), padOf(11)], {
  /**
   * Pad. With a constant: the stretch of the gradient that x filled, and zeros where padding below 0 cut x off. Other modes
   * repeat elements of x: along each axis they are a linear map, whose matrix is the identity matrix padded in the same way.
   * Pads may be computed in each run.
   */
  vjp: (b, node, [dy]) => {
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
  },
  cases: [
    { inputs: ['float[2,4]', 'const int64[4] {0, 2, 1, 3}', 'float {0.5}'] },
    { inputs: ['float[2,4]', 'const int64[4] {0, 2, 0, 3}'], attrs: { mode: 'reflect' } },
    { inputs: ['float[2,4]', 'const int64[4] {1, 2, 0, -1}'], attrs: { mode: 'edge' } },
    { inputs: ['float[2,4]', 'const int64[2] {1, 2}', '', 'const int64[1] {-1}'] },
    { inputs: ['float[2,4]'], opset: 10, attrs: { pads: [1, 0, 0, 2], value: 0.75 } },
  ],
});
