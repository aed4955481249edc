import { attrInt } from '../../attr.js';
import type { Node, Value } from '../../model.js';
import type { GradBuilder } from '../define.js';
import { numbers } from './shape.js';
import { axisOf, input, type Vjp } from './vjp.js';

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

/** The gradient of a reduction laid over the input's shape, before the rule's own factor. */
function spread(b: GradBuilder, node: Node, dy: Value): { wide: Value; axes: readonly number[] } | null {
  const x = input(node, 0);
  const rank = b.rank(x);
  const axes = reducedAxes(b, node, rank);
  if (!axes) return null;
  return { wide: b.one('Expand', [withAxes(b, node, dy, axes), b.shapeOf(x)]), axes };
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

const COMPUTED = 'its axes are computed';

export const reduceSumVjp: Vjp = (b, node, [dy]) => {
  const laid = spread(b, node, dy!);
  return laid ? [laid.wide, null] : { because: COMPUTED, at: node };
};

/** dx = dy / n, with n the number of elements that were averaged */
export const reduceMeanVjp: Vjp = (b, node, [dy]) => {
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
};

/** ReduceSumSquare: dx = 2 x dy */
export const reduceSumSquareVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const laid = spread(b, node, dy!);
  return laid ? [b.mul(laid.wide, b.mul(x, b.scalar(2, x))), null] : { because: COMPUTED, at: node };
};

/** ReduceL2: dx = dy x / y; 0 where the norm is 0 */
export const reduceL2Vjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const y = node.outputs[0]!;
  const isZero = b.one('Equal', [y, b.scalar(0, y)]);
  const safe = b.one('Where', [isZero, b.scalar(1, y), y]);
  const laid = spread(b, node, b.div(dy!, safe));
  return laid ? [b.mul(laid.wide, x), null] : { because: COMPUTED, at: node };
};

/** ReduceMax and ReduceMin: the gradient goes to the elements that equal the result, in equal parts. */
export const reduceExtremumVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const y = node.outputs[0]!;
  const axes = reducedAxes(b, node, b.rank(x));
  if (!axes) return { because: COMPUTED, at: node };
  const wideY = withAxes(b, node, y, axes);
  const hit = b.one('Where', [b.one('Equal', [x, wideY]), b.scalar(1, x), b.scalar(0, x)]);
  const ties = b.reduceSum(hit, axes, true);
  return [b.mul(hit, b.div(withAxes(b, node, dy!, axes), ties)), null];
};

/** ReduceL1: dx = dy sign(x), 0 at 0; written without Sign, which WebGPU lacks */
export const reduceL1Vjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const laid = spread(b, node, dy!);
  if (!laid) return { because: COMPUTED, at: node };
  const zero = b.scalar(0, x);
  const negative = b.one('Where', [b.one('Less', [x, zero]), b.neg(laid.wide), zero]);
  return [b.one('Where', [b.one('Greater', [x, zero]), laid.wide, negative]), null];
};

/** ReduceLogSum: dx = dy / sum(x) = dy e^-y */
export const reduceLogSumVjp: Vjp = (b, node, [dy]) => {
  const laid = spread(b, node, b.mul(dy!, b.one('Exp', [b.neg(node.outputs[0]!)])));
  return laid ? [laid.wide, null] : { because: COMPUTED, at: node };
};

/** ReduceLogSumExp: dx = dy e^(x - y), with nothing that overflows */
export const reduceLogSumExpVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const axes = reducedAxes(b, node, b.rank(x));
  if (!axes) return { because: COMPUTED, at: node };
  const share = b.one('Exp', [b.sub(x, withAxes(b, node, node.outputs[0]!, axes))]);
  return [b.mul(share, withAxes(b, node, dy!, axes)), null];
};
