import type { Node } from '../../model.js';
import type { Dim, Shape } from '../../shape.js';
import { attrsOf } from '../attrs.js';
import type { AttrsOf, OpDef, OpName } from '../define.js';
import type { Ints } from '../dims.js';
import { reduce as reduceNd } from '../nd.js';
import { attrs, axisIn, need, numbersAt, ofRank, one, rule, tensorAt, unknownDims } from '../rules.js';
import { keptSlices } from '../slices/rules.js';

type ReduceAttrs = {
  readonly axes?: readonly number[];
  readonly keepdims: number;
  readonly noop_with_empty_axes?: number;
};

export interface ReduceOptions {
  /** version from which the axes are an input */
  readonly axesInputSince?: number;
  /** reduction of integer contents that may be symbolic */
  readonly ints?: (values: Ints) => Dim;
}

/**
 * f over the elements along `axes` (all when absent). The axes are an attribute and, from version 18 (ReduceSum: 13)
 * on, an input; then `noop_with_empty_axes` decides what no axes mean.
 */
export function reduction<const Op extends OpName>(
  name: Op,
  f: (values: Float64Array) => number,
  options: ReduceOptions = {},
): OpDef<Op>[] {
  const { axesInputSince = 18, ints } = options;
  const make = (asInput: boolean): Omit<OpDef<Op>, 'since' | 'until'> => ({
    name,
    traits: ['pure'],
    infer: rule<Op>((node, ctx) => {
      const x = tensorAt(ctx, 0);
      const a = attrs(node, ctx) as ReduceAttrs;
      if (!x?.shape) return one(x?.dtype, null);
      const rank = x.shape.length;
      const given = asInput ? (node.inputs[1] ? numbersAt(ctx, 1) : []) : (a.axes ?? []);
      if (!given) {
        // how many axes is known from the extent of the input, which ones is not
        const count = tensorAt(ctx, 1)?.shape?.[0];
        if (a.keepdims) return one(x.dtype, unknownDims(rank));
        return one(x.dtype, typeof count === 'number' && count > 0 ? ofRank(rank - count) : null);
      }
      if (given.length === 0 && a.noop_with_empty_axes) return one(x.dtype, x.shape, ctx.ints(0));
      const axes = axesOf(node, given, rank);
      const known = ints && axes.length === rank ? ctx.ints(0) : null;
      return one(x.dtype, reducedShape(x.shape, axes, a.keepdims !== 0), known && [ints!(known)]);
    }),
    slices: (node, axis) => keptSlices(node, axis),
    value: (node, inputs) => {
      const x = need(inputs, 0);
      const a = attrsOf(node, asInput ? axesInputSince : axesInputSince - 1) as AttrsOf<Op> & ReduceAttrs;
      const given = asInput ? [...(inputs[1]?.data ?? [])] : (a.axes ?? []);
      if (given.length === 0 && a.noop_with_empty_axes) return [x];
      return [reduceNd(x, axesOf(node, given, x.shape.length), a.keepdims !== 0, f)];
    },
  });
  return [
    { ...make(false), since: 1, until: axesInputSince - 1 },
    { ...make(true), since: axesInputSince },
  ];
}

/** Non-negative axes in ascending order; all of them when none are given. */
export function axesOf(node: Node, given: readonly number[], rank: number): number[] {
  if (given.length === 0) return Array.from({ length: rank }, (_, k) => k);
  return [...new Set(given.map((axis) => axisIn(node, axis, rank)))].sort((a, b) => a - b);
}

export function reducedShape(shape: Shape, axes: readonly number[], keep: boolean): Shape {
  return keep
    ? shape.map((dim, k) => (axes.includes(k) ? 1 : dim))
    : shape.filter((_, k) => !axes.includes(k));
}
