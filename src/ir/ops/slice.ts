import type { Node } from '../model.js';
import { type Dim, staticShape, type TensorType } from '../shape.js';
import { attrsOf } from './attrs.js';
import { type Inferred, type NdArray, op } from './define.js';
import type { Ints } from './dims.js';
import { sliceVjp } from './gradients/slice.js';
import { gatherInts } from './ints.js';
import { fromIndex, offset, stridesOf } from './nd.js';
import { attrs, axisIn, need, ofRank, one, refuse, rule, tensorAt, unknownDims } from './rules.js';
import { sliceExtent, sliceStatic } from './slice-extent.js';

interface Parts {
  readonly starts: Ints;
  readonly ends: Ints;
  readonly axes: Ints | undefined;
  readonly steps: Ints | undefined;
}

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
  { vjp: sliceVjp, throughIntegers: true },
);

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

type Plan = readonly (readonly [start: number, step: number, count: number])[];

/** Start, step and count of every dimension; null when a bound is not a number. */
function plan(node: Node, extents: readonly number[], { starts, ends, axes, steps }: Parts): Plan | null {
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

function source(plans: Plan, index: readonly number[]): number[] {
  return plans.map(([start, step], k) => start + step * index[k]!);
}
