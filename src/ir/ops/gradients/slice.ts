import { attrInt } from '../../attr.js';
import type { Node, Value } from '../../model.js';
import type { GradBuilder } from '../define.js';
import { sliceStatic } from '../slice-extent.js';
import { add, type Count, div, extentOf, least, most, mul, rest, shapeOf, sub, vector } from './counts.js';
import { attributesOf, entry, numbers, pad, padAxes, range, slice, unsqueeze } from './shape.js';
import { axisOf, input, type Vjp } from './vjp.js';

/** An end before every element: the least integer that a number holds exactly. */
const FRONT = -(2 ** 53) + 1;

/**
 * Slice: element i of the result is element `first + i step` of x. The gradient is reversed where the step is negative,
 * spread where it is larger than 1, and padded with zeros to the extent of x. Axes and steps must follow from constants;
 * starts and ends may be computed in each run.
 */
export const sliceVjp: Vjp = (b, node, [dy]) => {
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

/** The gradient of a slice along one axis, as wide as x there. */
function widen(b: GradBuilder, dy: Value, x: Value, cut: Cut, extents: readonly Count[]): Value {
  const { axis, extent, count, step } = cut;
  const first = firstOf(b, cut);
  if (step > 0) return lay(b, dy, x, { axis, extent, first, step, count }, extents);
  const reversed = b.one('Slice', [dy, b.ints([-1]), b.ints([FRONT]), b.ints([axis]), b.ints([-1])]);
  // the element that was taken last; of an empty slice any place will do
  const last = add(b, first, mul(b, sub(b, count, 1), step));
  const lowest = most(b, least(b, last, extent), 0);
  return lay(b, reversed, x, { axis, extent, first: lowest, step: -step, count }, extents);
}

/** Where a slice begins, clamped as Slice does it. */
function firstOf(b: GradBuilder, { extent, start, step }: Cut): Count {
  if (typeof start === 'number' && typeof extent === 'number') {
    return sliceStatic(extent, start, step > 0 ? extent : FRONT, step)[0];
  }
  const end = step > 0 ? extent : sub(b, extent, 1);
  if (typeof start === 'number') {
    if (start < 0) return most(b, add(b, extent, start), 0);
    return step > 0 ? start : most(b, least(b, start, end), 0);
  }
  const isNegative = b.one('Less', [start, b.ints([0])]);
  const counted = b.one('Where', [isNegative, vector(b, add(b, start, extent)), start]);
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
    const after = sub(b, sub(b, extent, count), first);
    return pad(b, dy, vector(b, first), vector(b, after), axis, x);
  }
  // blocks of `step` places: each element lies in its block where the first one lies in its own
  const blocks = div(b, add(b, extent, step - 1), step);
  const [before, within] = [div(b, first, step), rest(b, first, step)];
  const counts = new Map([
    [axis, [before, sub(b, sub(b, blocks, count), before)]],
    [axis + 1, [within, sub(b, step - 1, within)]],
  ] as const);
  const vectors = new Map(
    [...counts].map(([at, [lead, tail]]) => [at, [vector(b, lead), vector(b, tail)]] as const),
  );
  const padded = padAxes(b, unsqueeze(b, dy, axis + 1), rank + 1, vectors, x);
  const whole = mul(b, blocks, step);
  const joined = b.reshape(
    padded,
    shapeOf(
      b,
      extents.map((held, k) => (k === axis ? whole : held)),
    ),
  );
  return whole === extent ? joined : slice(b, joined, b.ints([0]), vector(b, extent), axis);
}
