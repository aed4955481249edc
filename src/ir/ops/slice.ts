import { attrInt } from '../attr.js';
import type { Node, Value } from '../model.js';
import { type Dim, staticShape, type TensorType } from '../shape.js';
import { attrsOf } from './core/attrs.js';
import {
  addCounts,
  type Count,
  divCounts,
  extentOf,
  least,
  most,
  mulCounts,
  rest,
  shapeOfCounts,
  subCounts,
  vector,
} from './core/counts.js';
import { type GradBuilder, type Inferred, type NdArray, op } from './core/define.js';
import { addDim, atMost, compareDims, type Ints, subDim } from './core/dims.js';
import { axisOf, input, type Vjp } from './core/gradient.js';
import {
  attributesOf,
  entry,
  numbers,
  pad,
  padAxes,
  range,
  slice,
  unsqueezeAxis,
} from './core/gradient-shape.js';
import { gatherInts } from './core/ints.js';
import { fromIndex, offset, stridesOf } from './core/nd.js';
import { attrs, axisIn, need, ofRank, one, refuse, rule, tensorAt, unknownDims } from './core/rules.js';

/** Slices with steps. */

/** Ends at or beyond this mean "to the end": exporters write the largest int32 or int64. */
const FAR = 2 ** 31 - 1;

/** First index and number of elements that a slice of one dimension takes, after the clamping of the specification. */
export function sliceStatic(
  extent: number,
  start: number,
  end: number,
  step: number,
): readonly [number, number] {
  const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);
  const from = start < 0 ? start + extent : start;
  const to = end < 0 ? end + extent : end;
  const [a, b] =
    step > 0
      ? [clamp(from, 0, extent), clamp(to, 0, extent)]
      : [clamp(from, 0, extent - 1), clamp(to, -1, extent - 1)];
  return [a, Math.max(0, Math.ceil((b - a) / step))];
}

/** A bound counted from the start. A symbolic bound is negative only when it is certainly so. */
function position(extent: Dim, bound: Dim): Dim {
  if (typeof bound === 'number') return bound < 0 ? addDim(extent, bound) : bound;
  return compareDims(bound, 0) === -1 ? addDim(extent, bound) : bound;
}

/**
 * Extent of a slice whose parts may be symbolic (step 1). Symbolic bounds are those that exporters derive from the
 * shapes of other inputs, and are taken to lie inside a static extent; null where the result depends on clamping.
 */
function sliceExtent(extent: Dim, start: Dim, end: Dim, step: Dim): Dim {
  if (typeof start === 'number' && typeof end === 'number' && typeof step === 'number' && step !== 0) {
    if (typeof extent === 'number') return sliceStatic(extent, start, end, step)[1];
    if (step === -1 && start === -1 && end <= -FAR) return extent;
  }
  if (step !== 1 || extent === null || start === null || end === null) return null;
  const from = position(extent, start);
  const to = typeof end === 'number' && end >= FAR ? extent : position(extent, end);
  if (from === null || to === null) return null;
  // a number may lie beyond a symbolic extent
  if (typeof to === 'number' && typeof extent === 'string' && to !== 0) return null;
  if (typeof from === 'number' && typeof to === 'number') return Math.max(0, to - from);
  const last = typeof extent === 'number' ? to : atMost(to, extent) ? to : atMost(extent, to) ? extent : null;
  if (last === null) return null;
  const length = subDim(last, from);
  return length !== null && compareDims(length, 0) === -1 ? 0 : length;
}

interface Parts {
  readonly starts: Ints;
  readonly ends: Ints;
  readonly axes: Ints | undefined;
  readonly steps: Ints | undefined;
}

type SlicedAxes = readonly (readonly [start: number, step: number, count: number])[];

/** Start, step and count of every dimension; null when a bound is not a number. */
function plan(
  node: Node,
  extents: readonly number[],
  { starts, ends, axes, steps }: Parts,
): SlicedAxes | null {
  const rows: (readonly [number, number, number])[] = extents.map((extent) => [0, 1, extent]);
  for (const [i, start] of starts.entries()) {
    const [end, step, axis] = [ends[i], steps ? steps[i] : 1, axes ? axes[i] : i];
    if (
      typeof start !== 'number' ||
      typeof end !== 'number' ||
      typeof step !== 'number' ||
      typeof axis !== 'number'
    )
      return null;
    const at = axisIn(node, axis, extents.length);
    const [from, count] = sliceStatic(extents[at]!, start, end, step);
    rows[at] = [from, step, count];
  }
  return rows;
}

function source(plans: SlicedAxes, index: readonly number[]): number[] {
  return plans.map(([start, step], k) => start + step * index[k]!);
}

function sliced(node: Node, x: TensorType | null, parts: Parts, values: Ints | null): Inferred {
  if (!x?.shape) return one(x?.dtype, null);
  const shape: Dim[] = [...x.shape];
  if (parts.ends.length !== parts.starts.length) {
    refuse(node, `${parts.starts.length} starts and ${parts.ends.length} ends`);
  }
  for (const [i, start] of parts.starts.entries()) {
    const axis = parts.axes ? parts.axes[i] : i;
    if (typeof axis !== 'number') return one(x.dtype, unknownDims(shape.length));
    const at = axisIn(node, axis, shape.length);
    const step = parts.steps ? parts.steps[i]! : 1;
    if (step === 0) refuse(node, 'a step is 0');
    shape[at] = sliceExtent(x.shape[at]!, start, parts.ends[i]!, step);
  }
  const extents = staticShape(x.shape);
  const plans = extents && values && staticShape(shape) ? plan(node, extents, parts) : null;
  if (!plans) return one(x.dtype, shape);
  const strides = stridesOf(extents!);
  return one(
    x.dtype,
    shape,
    gatherInts(shape, (index) => values![offset(strides, source(plans, index))]!),
  );
}

function cut(node: Node, x: NdArray, parts: Parts): NdArray {
  const plans = plan(node, x.shape, parts)!;
  const strides = stridesOf(x.shape);
  return fromIndex(
    plans.map(([, , count]) => count),
    (index) => x.data[offset(strides, source(plans, index))]!,
  );
}

/** Starts, as numbers where they are known; null when not even how many there are is known. */
function startsOf(b: GradBuilder, node: Node): readonly Count[] | null {
  const starts = node.inputs[1];
  if (!starts) return attributesOf(node.attrs)('starts');
  const known = b.contents(starts);
  const type = starts.type?.kind === 'tensor' ? starts.type : null;
  const length = known?.length ?? type?.shape?.[0];
  if (typeof length !== 'number') return null;
  const wide = type?.dtype === 'i32' ? b.one('Cast', [starts], { to: attrInt(7) }) : starts;
  return range(length).map((i): Count => {
    const start = known?.[i];
    return typeof start === 'number' ? start : length === 1 ? wide : entry(b, wide, i);
  });
}

function axesOf(b: GradBuilder, node: Node, count: number | undefined): readonly number[] | null {
  if (node.inputs[3]) return numbers(b, node.inputs[3]);
  return attributesOf(node.attrs)('axes') ?? (count === undefined ? null : range(count));
}

interface Cut {
  readonly axis: number;
  /** of x */
  readonly extent: Count;
  readonly start: Count;
  readonly step: number;
  /** how many elements the slice took */
  readonly count: Count;
}

/** An end before every element: the least integer that a number holds exactly. */
const FRONT = -(2 ** 53) + 1;

/** Where a slice begins, clamped as Slice does it. */
function firstOf(b: GradBuilder, { extent, start, step }: Cut): Count {
  if (typeof start === 'number' && typeof extent === 'number') {
    return sliceStatic(extent, start, step > 0 ? extent : FRONT, step)[0];
  }
  const end = step > 0 ? extent : subCounts(b, extent, 1);
  if (typeof start === 'number') {
    if (start < 0) return most(b, addCounts(b, extent, start), 0);
    return step > 0 ? start : most(b, least(b, start, end), 0);
  }
  const isNegative = b.one('Less', [start, b.ints([0])]);
  const counted = b.one('Where', [isNegative, vector(b, addCounts(b, start, extent)), start]);
  return least(b, most(b, counted, 0), end);
}

interface Laid {
  readonly axis: number;
  readonly extent: Count;
  readonly first: Count;
  readonly step: number;
  readonly count: Count;
}

/** `count` elements at `first`, `first + step`, ... of `extent` along an axis, zeros between them. */
function lay(b: GradBuilder, dy: Value, x: Value, laid: Laid, extents: readonly Count[]): Value {
  const { axis, extent, first, step, count } = laid;
  const rank = b.rank(x);
  if (step === 1) {
    const after = subCounts(b, subCounts(b, extent, count), first);
    return pad(b, dy, vector(b, first), vector(b, after), axis, x);
  }
  // blocks of `step` places: each element lies in its block where the first one lies in its own
  const blocks = divCounts(b, addCounts(b, extent, step - 1), step);
  const [before, within] = [divCounts(b, first, step), rest(b, first, step)];
  const counts = new Map([
    [axis, [before, subCounts(b, subCounts(b, blocks, count), before)]],
    [axis + 1, [within, subCounts(b, step - 1, within)]],
  ] as const);
  const vectors = new Map(
    [...counts].map(([at, [lead, tail]]) => [at, [vector(b, lead), vector(b, tail)]] as const),
  );
  const padded = padAxes(b, unsqueezeAxis(b, dy, axis + 1), rank + 1, vectors, x);
  const whole = mulCounts(b, blocks, step);
  const joined = b.reshape(
    padded,
    shapeOfCounts(
      b,
      extents.map((held, k) => (k === axis ? whole : held)),
    ),
  );
  return whole === extent ? joined : slice(b, joined, b.ints([0]), vector(b, extent), axis);
}

/** The gradient of a slice along one axis, as wide as x there. */
function widen(b: GradBuilder, dy: Value, x: Value, cut: Cut, extents: readonly Count[]): Value {
  const { axis, extent, count, step } = cut;
  const first = firstOf(b, cut);
  if (step > 0) return lay(b, dy, x, { axis, extent, first, step, count }, extents);
  const reversed = b.one('Slice', [dy, b.ints([-1]), b.ints([FRONT]), b.ints([axis]), b.ints([-1])]);
  // the element that was taken last; of an empty slice any place will do
  const last = addCounts(b, first, mulCounts(b, subCounts(b, count, 1), step));
  const lowest = most(b, least(b, last, extent), 0);
  return lay(b, reversed, x, { axis, extent, first: lowest, step: -step, count }, extents);
}

/**
 * Slice: element i of the result is element `first + i step` of x. The gradient is reversed where the step is negative,
 * spread where it is larger than 1, and padded with zeros to the extent of x. Axes and steps must follow from constants;
 * starts and ends may be computed in each run.
 */
const sliceVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const rank = b.rank(x);
  const starts = startsOf(b, node);
  const axes = axesOf(b, node, starts?.length);
  const steps = node.inputs[4] ? numbers(b, node.inputs[4]) : axes?.map(() => 1);
  if (!starts || !axes) return { because: 'its axes are only known when it runs', at: node };
  if (!steps) return { because: 'its steps are only known when it runs', at: node };
  // extents of the gradient on its way: those of the result, one axis after the other replaced by those of x
  const extents = range(rank).map((axis) => extentOf(b, node.outputs[0]!, axis));
  let gradient = dy!;
  for (const [i, raw] of axes.entries()) {
    const axis = axisOf(raw, rank);
    const extent = extentOf(b, x, axis);
    const cut = { axis, extent, start: starts[i]!, step: steps[i]!, count: extents[axis]! };
    gradient = widen(b, gradient, x, cut, extents);
    extents[axis] = extent;
  }
  return [gradient, null, null, null, null];
};

/** Slice: along each of `axes` the elements from start to end (exclusive) by step; bounds were attributes before version 10. */
export const Slice = op(
  [
    op({
      name: 'Slice',
      since: 10,
      traits: ['pure', 'linear'],
      infer: rule((node, ctx) => {
        const x = tensorAt(ctx, 0);
        const count = [1, 2].map((i) => tensorAt(ctx, i)?.shape?.[0]).find((n) => typeof n === 'number');
        const [starts, ends] = [1, 2].map((i) => ctx.ints(i) ?? ofRank(count));
        const axes = node.inputs[3] ? ctx.ints(3) : undefined;
        const steps = node.inputs[4]
          ? (ctx.ints(4) ?? (starts ? unknownDims(starts.length) : null))
          : undefined;
        if (!starts || !ends || axes === null || steps === null) {
          return one(x?.dtype, x?.shape ? unknownDims(x.shape.length) : null);
        }
        return sliced(node, x, { starts, ends, axes, steps }, ctx.ints(0));
      }),
      value: (node, inputs) => {
        const [starts, ends] = [need(inputs, 1), need(inputs, 2)].map((a) => [...a.data]);
        const [axes, steps] = [inputs[3], inputs[4]].map((a) => (a ? [...a.data] : undefined));
        return [cut(node, need(inputs, 0), { starts: starts!, ends: ends!, axes, steps })];
      },
    }),
    op({
      name: 'Slice',
      since: 1,
      until: 9,
      traits: ['pure', 'linear'],
      infer: rule((node, ctx) => {
        const { starts = [], ends = [], axes } = attrs(node, ctx);
        return sliced(node, tensorAt(ctx, 0), { starts, ends, axes, steps: undefined }, ctx.ints(0));
      }),
      value: (node, inputs) => {
        const { starts = [], ends = [], axes } = attrsOf(node, 1);
        return [cut(node, need(inputs, 0), { starts, ends, axes, steps: undefined })];
      },
    }),
  ],
  {
    elements: 'part',
    vjp: sliceVjp,
    throughIntegers: true,
    cases: [
      {
        inputs: [
          'float[5,6]',
          'const int64[2] {-1, 1}',
          'const int64[2] {-9, 100}',
          'const int64[2] {0, -1}',
          'const int64[2] {-2, 3}',
        ],
      },
      { inputs: ['float[5,6]', 'const int64[1] {1}', 'const int64[1] {-1}'] },
      { inputs: ['float[5,6]'], opset: 9, attrs: { starts: [1, -3], ends: [9, -1] } },
    ],
  },
);
