import { attrInt } from '../attr.js';
import type { Node, Value } from '../model.js';
import type { Dim, Shape } from '../shape.js';
import { attrsOf } from './core/attrs.js';
import { type AttrsOf, type GradBuilder, type OpDef, type OpName, op } from './core/define.js';
import { addDim, type Ints, maxDim, minDim, productOf } from './core/dims.js';
import { axisOf, input, type Vjp } from './core/gradient.js';
import { numbers } from './core/gradient-shape.js';
import { reduce } from './core/nd.js';
import { attrs, axisIn, need, numbersAt, ofRank, one, rule, tensorAt, unknownDims } from './core/rules.js';
import { keptSlices } from './core/slices.js';

/** Reductions over axes. */

interface ReduceOptions {
  /** version from which the axes are an input */
  readonly axesInputSince?: number;
  /** reduction of integer contents that may be symbolic */
  readonly ints?: (values: Ints) => Dim;
}

type ReduceAttrs = {
  readonly axes?: readonly number[];
  readonly keepdims: number;
  readonly noop_with_empty_axes?: number;
};

/** Non-negative axes in ascending order; all of them when none are given. */
function axesOf(node: Node, given: readonly number[], rank: number): number[] {
  if (given.length === 0) return Array.from({ length: rank }, (_, k) => k);
  return [...new Set(given.map((axis) => axisIn(node, axis, rank)))].sort((a, b) => a - b);
}

function reducedShape(shape: Shape, axes: readonly number[], keep: boolean): Shape {
  return keep
    ? shape.map((dim, k) => (axes.includes(k) ? 1 : dim))
    : shape.filter((_, k) => !axes.includes(k));
}

/**
 * f over the elements along `axes` (all when absent). The axes are an attribute and, from version 18 (ReduceSum: 13)
 * on, an input; then `noop_with_empty_axes` decides what no axes mean.
 */
function reduction<const Op extends OpName>(
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
      return [reduce(x, axesOf(node, given, x.shape.length), a.keepdims !== 0, f)];
    },
  });
  return [
    { ...make(false), since: 1, until: axesInputSince - 1 },
    { ...make(true), since: axesInputSince },
  ];
}

/** Axes of a reduction (attribute or input, opset 13/18), or null when they are computed. Empty means all. */
function reducedAxes(b: GradBuilder, node: Node, rank: number): readonly number[] | null {
  const attr = node.attrs.get('axes');
  const given =
    attr?.kind === 'ints' ? attr.value.map(Number) : node.inputs[1] ? numbers(b, node.inputs[1]) : [];
  if (!given) return null;
  const noop = node.attrs.get('noop_with_empty_axes');
  if (given.length === 0) {
    return noop?.kind === 'int' && noop.value === 1 ? [] : Array.from({ length: rank }, (_, i) => i);
  }
  return given.map((axis) => axisOf(axis, rank));
}

/** The reduced value with its axes kept as extents of 1. */
function withAxes(b: GradBuilder, node: Node, reduced: Value, axes: readonly number[]): Value {
  const keep = node.attrs.get('keepdims');
  if (axes.length === 0 || !(keep?.kind === 'int' && keep.value === 0)) return reduced;
  const sorted = [...axes].sort((a, c) => a - c);
  return b.opset >= 13
    ? b.one('Unsqueeze', [reduced, b.ints(sorted)])
    : b.one('Unsqueeze', [reduced], { axes: { kind: 'ints', value: sorted } });
}

/** The gradient of a reduction laid over the input's shape, before the rule's own factor. */
function spread(b: GradBuilder, node: Node, dy: Value): { wide: Value; axes: readonly number[] } | null {
  const x = input(node, 0);
  const rank = b.rank(x);
  const axes = reducedAxes(b, node, rank);
  if (!axes) return null;
  return { wide: b.one('Expand', [withAxes(b, node, dy, axes), b.shapeOf(x)]), axes };
}

const COMPUTED = 'its axes are computed';

/** ReduceSum: the sum along the axes. */
export const ReduceSum = op(
  reduction('ReduceSum', (v) => v.reduce((a, x) => a + x, 0), {
    axesInputSince: 13,
    ints: (v) => v.reduce(addDim, 0),
  }),
  {
    vjp: (b, node, [dy]) => {
      const laid = spread(b, node, dy!);
      return laid ? [laid.wide, null] : { because: COMPUTED, at: node };
    },
    cases: [
      { inputs: ['float[2,3,4]', 'const int64[2] {-1, 0}'], attrs: { keepdims: 0 } },
      { inputs: ['float[2,3,4]'], attrs: { noop_with_empty_axes: 1 } },
      { inputs: ['float[2,3,4]'], opset: 12, attrs: { axes: [1] } },
    ],
  },
);

/** ReduceMean: the mean along the axes. */
export const ReduceMean = op(
  reduction('ReduceMean', (v) => v.reduce((a, x) => a + x, 0) / v.length),
  {
    /** dx = dy / n, with n the number of elements that were averaged */
    vjp: (b, node, [dy]) => {
      const x = input(node, 0);
      const laid = spread(b, node, dy!);
      if (!laid) return { because: COMPUTED, at: node };
      const extents = laid.axes.map((axis) => b.dims(x)[axis] ?? null);
      if (extents.every((extent): extent is number => typeof extent === 'number')) {
        const count = extents.reduce((a, c) => a * c, 1);
        return [b.mul(laid.wide, b.scalar(1 / count, x)), null];
      }
      const total = b.one('Size', [x]);
      const left = b.one('Max', [b.one('Size', [node.outputs[0]!]), b.index(1)]);
      const count = b.one('Cast', [b.one('Div', [total, left])], { to: attrInt(b.onnxType(x)) });
      return [b.div(laid.wide, count), null];
    },
    cases: [
      { inputs: ['float[2,3,4]', 'const int64[2] {-1, 0}'], attrs: { keepdims: 0 } },
      { inputs: ['float[2,3,4]'], opset: 17, attrs: { axes: [1] } },
    ],
  },
);

/** ReduceProd: the product along the axes. */
export const ReduceProd = op(
  reduction('ReduceProd', (v) => v.reduce((a, x) => a * x, 1), { ints: productOf }),
  {
    cases: [
      { inputs: ['float[2,3,4]', 'const int64[2] {-1, 0}'], attrs: { keepdims: 0 } },
      { inputs: ['float[2,3,4]'], opset: 17, attrs: { axes: [1] } },
    ],
  },
);

/** ReduceMax and ReduceMin: the gradient goes to the elements that equal the result, in equal parts. */
const reduceExtremumVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const y = node.outputs[0]!;
  const axes = reducedAxes(b, node, b.rank(x));
  if (!axes) return { because: COMPUTED, at: node };
  const wideY = withAxes(b, node, y, axes);
  const hit = b.one('Where', [b.one('Equal', [x, wideY]), b.scalar(1, x), b.scalar(0, x)]);
  const ties = b.reduceSum(hit, axes, true);
  return [b.mul(hit, b.div(withAxes(b, node, dy!, axes), ties)), null];
};

/** ReduceMax: the greatest along the axes. */
export const ReduceMax = op(
  reduction('ReduceMax', (v) => v.reduce((a, x) => Math.max(a, x), Number.NEGATIVE_INFINITY), {
    ints: (v) => (v.length === 0 ? null : v.reduce(maxDim)),
  }),
  {
    vjp: reduceExtremumVjp,
    cases: [
      { inputs: ['float[2,3,4]', 'const int64[2] {-1, 0}'], attrs: { keepdims: 0 } },
      { inputs: ['float[2,3,4]'] },
      { inputs: ['float[2,3,4]'], opset: 17, attrs: { axes: [1], keepdims: 0 } },
    ],
  },
);

/** ReduceMin: the least along the axes. */
export const ReduceMin = op(
  reduction('ReduceMin', (v) => v.reduce((a, x) => Math.min(a, x), Number.POSITIVE_INFINITY), {
    ints: (v) => (v.length === 0 ? null : v.reduce(minDim)),
  }),
  {
    vjp: reduceExtremumVjp,
    cases: [
      { inputs: ['float[2,3,4]', 'const int64[2] {-1, 0}'], attrs: { keepdims: 0 } },
      { inputs: ['float[2,3,4]'], opset: 17, attrs: { axes: [1] } },
    ],
  },
);

/** ReduceL1: sum of absolute values along the axes. */
export const ReduceL1 = op(
  reduction('ReduceL1', (v) => v.reduce((a, x) => a + Math.abs(x), 0)),
  {
    /** ReduceL1: dx = dy sign(x), 0 at 0; written without Sign, which some runtimes lack */
    vjp: (b, node, [dy]) => {
      const x = input(node, 0);
      const laid = spread(b, node, dy!);
      if (!laid) return { because: COMPUTED, at: node };
      const zero = b.scalar(0, x);
      const negative = b.one('Where', [b.one('Less', [x, zero]), b.neg(laid.wide), zero]);
      return [b.one('Where', [b.one('Greater', [x, zero]), laid.wide, negative]), null];
    },
    cases: [
      { inputs: ['float[2,3,4]', 'const int64[2] {-1, 0}'], attrs: { keepdims: 0 } },
      { inputs: ['float[2,3,4]'], opset: 17, attrs: { axes: [1] } },
    ],
  },
);

/** ReduceL2: root of the sum of squares along the axes. */
export const ReduceL2 = op(
  reduction('ReduceL2', (v) => Math.sqrt(v.reduce((a, x) => a + x * x, 0))),
  {
    /** ReduceL2: dx = dy x / y; 0 where the norm is 0 */
    vjp: (b, node, [dy]) => {
      const x = input(node, 0);
      const y = node.outputs[0]!;
      const isZero = b.one('Equal', [y, b.scalar(0, y)]);
      const safe = b.one('Where', [isZero, b.scalar(1, y), y]);
      const laid = spread(b, node, b.div(dy!, safe));
      return laid ? [b.mul(laid.wide, x), null] : { because: COMPUTED, at: node };
    },
    cases: [
      { inputs: ['float[2,3,4]', 'const int64[2] {-1, 0}'], attrs: { keepdims: 0 } },
      { inputs: ['float[2,3,4]'], opset: 17, attrs: { axes: [1] } },
    ],
  },
);

/** ReduceSumSquare: the sum of squares along the axes. */
export const ReduceSumSquare = op(
  reduction('ReduceSumSquare', (v) => v.reduce((a, x) => a + x * x, 0)),
  {
    /** ReduceSumSquare: dx = 2 x dy */
    vjp: (b, node, [dy]) => {
      const x = input(node, 0);
      const laid = spread(b, node, dy!);
      return laid ? [b.mul(laid.wide, b.mul(x, b.scalar(2, x))), null] : { because: COMPUTED, at: node };
    },
    cases: [
      { inputs: ['float[2,3,4]', 'const int64[2] {-1, 0}'], attrs: { keepdims: 0 } },
      { inputs: ['float[2,3,4]'], opset: 17, attrs: { axes: [1] } },
    ],
  },
);

/** ReduceLogSum: logarithm of the sum along the axes. */
export const ReduceLogSum = op(
  reduction('ReduceLogSum', (v) => Math.log(v.reduce((a, x) => a + x, 0))),
  {
    /** ReduceLogSum: dx = dy / sum(x) = dy e^-y */
    vjp: (b, node, [dy]) => {
      const laid = spread(b, node, b.mul(dy!, b.one('Exp', [b.neg(node.outputs[0]!)])));
      return laid ? [laid.wide, null] : { because: COMPUTED, at: node };
    },
    cases: [
      { inputs: ['float[2,3] > 0', 'const int64[1] {1}'] },
      { inputs: ['float[2,3,4] > 0'], opset: 17, attrs: { axes: [1] } },
    ],
  },
);

/** ReduceLogSumExp: logarithm of the sum of exponentials along the axes. */
export const ReduceLogSumExp = op(
  reduction('ReduceLogSumExp', (v) => Math.log(v.reduce((a, x) => a + Math.exp(x), 0))),
  {
    /** ReduceLogSumExp: dx = dy e^(x - y), with nothing that overflows */
    vjp: (b, node, [dy]) => {
      const x = input(node, 0);
      const axes = reducedAxes(b, node, b.rank(x));
      if (!axes) return { because: COMPUTED, at: node };
      const share = b.one('Exp', [b.sub(x, withAxes(b, node, node.outputs[0]!, axes))]);
      return [b.mul(share, withAxes(b, node, dy!, axes)), null];
    },
    cases: [
      { inputs: ['float[2,3,4]', 'const int64[2] {-1, 0}'], attrs: { keepdims: 0 } },
      { inputs: ['float[2,3,4]'], opset: 17, attrs: { axes: [1] } },
    ],
  },
);

type ArgAttrs = { readonly axis: number; readonly keepdims: number; readonly select_last_index?: number };

/** Index of the element that wins along `axis`: the first, or with select_last_index the last, of equals. */
function argOp<const Op extends OpName>(name: Op, beats: (a: number, b: number) => boolean): OpDef<Op> {
  return {
    name,
    since: 1,
    traits: ['pure'],
    infer: rule<Op>((node, ctx) => {
      const shape = tensorAt(ctx, 0)?.shape;
      if (!shape) return one('i64', null);
      const { axis, keepdims } = attrs(node, ctx) as ArgAttrs;
      return one('i64', reducedShape(shape, [axisIn(node, axis, shape.length)], keepdims !== 0));
    }),
    value: (node, inputs) => {
      const x = need(inputs, 0);
      const { axis, keepdims, select_last_index } = attrsOf(node) as AttrsOf<Op> & ArgAttrs;
      const pick = (values: Float64Array): number =>
        values.reduce((best, value, i) => {
          const won = beats(value, values[best]!) || (select_last_index === 1 && value === values[best]);
          return won ? i : best;
        }, 0);
      return [reduce(x, [axisIn(node, axis, x.shape.length)], keepdims !== 0, pick)];
    },
  };
}

/** ArgMax: index of the greatest element along an axis. */
export const ArgMax = op(
  argOp('ArgMax', (a, b) => a > b),
  { stopsGradient: true, cases: [{ inputs: ['float[2,5]'], attrs: { axis: -1 } }] },
);

/** ArgMin: index of the least element along an axis. */
export const ArgMin = op(
  argOp('ArgMin', (a, b) => a < b),
  {
    stopsGradient: true,
    cases: [
      { inputs: ['float[2,3] {1, 0, 0, 5, 4, 4}'], attrs: { axis: 1, keepdims: 0, select_last_index: 1 } },
    ],
  },
);
