import { attrInt } from '../../attr.js';
import { dtypeToOnnx, isFloat } from '../../dtype.js';
import type { Node, Value } from '../../model.js';
import { f32Tensor } from '../../tensor.js';
import type { GradBuilder } from '../define.js';
import { RANGES } from '../families/quantise.js';
import { runTimeShape } from './late.js';
import { gemm } from './matmul.js';
import { attributes, axisOf, input, type Vjp } from './vjp.js';

/**
 * Gradients through quantisation by the straight-through estimator (Bengio, Leonard and Courville, arXiv 1308.3432): rounding
 * counts as the identity. The gradient of a quantised value is a floating-point tensor, as if the integers were reals.
 */

/** q = clamp(round(x / s) + z): dx = dq / s where nothing was clamped, else 0. */
export const quantizeLinearVjp: Vjp = (b, node, [dq]) => {
  const { axis = 1, block_size = 0 } = attributes(node, 'QuantizeLinear');
  const [x, q] = [input(node, 0), node.outputs[0]!];
  const range = q.type?.kind === 'tensor' ? RANGES[q.type.dtype] : undefined;
  if (!range) return { because: 'it rounds to a type that is not an integer of up to 32 bits', at: node };
  if (b.wants(1)) return { because: 'its scale depends on what is trained', at: node };
  // codes of 16 bits are beyond half precision
  const real = (value: Value) => (b.isHalf(x) ? f32(b, value) : inTypeOf(b, value, x));
  const param = (value: Value) => broadcastParam(b, real(value), value, x, axis, block_size);
  const scale = param(input(node, 1));
  const zero = node.inputs[2];
  const code = b.div(real(x), scale);
  const shifted = zero ? b.add(code, param(zero)) : code;
  const [middle, half] = [(range[0] + range[1]) / 2, (range[1] - range[0] + 1) / 2];
  const number = (value: number) => real(b.constant(f32Tensor([], [value]), 'grad/number'));
  const away = b.one('Abs', [b.sub(shifted, number(middle))]);
  // up to half a step outside the range still rounds into it
  const inside = b.one('Not', [b.one('Greater', [away, number(half)])]);
  const dx = b.one('Where', [inside, b.div(real(dq!), scale), number(0)]);
  return [b.isHalf(x) ? b.one('Cast', [dx], { to: attrInt(b.onnxType(x)) }) : dx, null, null];
};

/** x = (q - z) s: dq = dx s. */
export const dequantizeLinearVjp: Vjp = (b, node, [dx]) => {
  const { axis = 1, block_size = 0 } = attributes(node, 'DequantizeLinear');
  const scale = input(node, 1);
  if (b.wants(1)) return { because: 'its scale depends on what is trained', at: node };
  const wide = broadcastParam(b, inTypeOf(b, scale, dx!), scale, input(node, 0), axis, block_size);
  return [b.mul(dx!, wide), null, null];
};

/** q = round(x / s) + z with s and z from the range of x, which nothing exceeds: dx = dq / s, both taken for constants. */
export const dynamicQuantizeLinearVjp: Vjp = (b, node, [dq]) => [b.div(dq!, node.outputs[1]!)];

/** y = (a - za)(w - zw) in integers: da = dy (w - zw)^T, dw = (a - za)^T dy. */
export const matMulIntegerVjp: Vjp = (b, node, [dy]) => {
  const [a, w] = [input(node, 0), input(node, 1)];
  if (b.wants(2) || b.wants(3)) return { because: 'a zero point depends on what is trained', at: node };
  const [ra, rw] = [b.rank(a), b.rank(w)];
  if (ra < 2 || rw < 2) return { because: 'one of its operands is a vector', at: node };
  const y = node.outputs[0]!;
  const left = () => centred(b, dy!, a, node.inputs[2] ?? null, true);
  const right = () => centred(b, dy!, w, node.inputs[3] ?? null, false);
  if (rw === 2 && !b.wants(1)) return [frozenProduct(b, dy!, right(), a, w), null, null, null];
  const product = (p: Value, q: Value, to: Value) => b.sumTo(b.one('MatMul', [p, q]), y, to);
  if (ra !== rw && (b.wants(0) ? ra : rw) < Math.max(ra, rw)) {
    return { because: 'one of its operands is repeated along batch axes', at: node };
  }
  const da = b.wants(0) ? product(dy!, swapped(b, right(), rw), a) : null;
  const dw = b.wants(1) ? product(swapped(b, left(), ra), dy!, w) : null;
  return [da, dw, null, null];
};

/** com.microsoft DynamicQuantizeMatMul: y = q(x) (w - zw) sw + c with x rounded inside: dx = dy ((w - zw) sw)^T, dc = sum dy. */
export const dynamicQuantizeMatMulVjp: Vjp = (b, node, [dy]) => {
  const [x, w] = [input(node, 0), input(node, 1)];
  return scaledProduct(b, node, dy!, {
    x,
    w,
    scales: [input(node, 2)],
    zero: node.inputs[3] ?? null,
    bias: 4,
  });
};

/** com.microsoft MatMulIntegerToFloat: y = (a - za)(w - zw) sa sw + c: da = dy sa ((w - zw) sw)^T, dc = sum dy. */
export const matMulIntegerToFloatVjp: Vjp = (b, node, [dy]) => {
  const [x, w] = [input(node, 0), input(node, 1)];
  const scales = [input(node, 3), input(node, 2)];
  return scaledProduct(b, node, dy!, { x, w, scales, zero: node.inputs[5] ?? null, bias: 6 });
};

interface Scaled {
  readonly x: Value;
  readonly w: Value;
  /** each a number or, the first, one per column */
  readonly scales: readonly Value[];
  /** zero point of w */
  readonly zero: Value | null;
  /** index of the bias among the inputs */
  readonly bias: number;
}

function scaledProduct(b: GradBuilder, node: Node, dy: Value, p: Scaled): ReturnType<Vjp> {
  const other = node.inputs.findIndex((value, k) => value && k !== 0 && k !== p.bias && b.wants(k));
  if (other > 0) return { because: `input ${other} depends on what is trained`, at: node };
  if (b.rank(p.w) !== 2) return { because: 'its weight is not a matrix', at: node };
  const grads: (Value | null)[] = node.inputs.map(() => null);
  const bias = node.inputs[p.bias];
  if (bias && b.wants(p.bias)) grads[p.bias] = b.sumTo(dy, node.outputs[0]!, bias);
  if (!b.wants(0)) return grads;
  const scaled = p.scales.reduce((g, scale) => b.mul(g, scale), dy);
  grads[0] = frozenProduct(b, scaled, centred(b, dy, p.w, p.zero, false), p.x, p.w);
  return grads;
}

/** dy w^T in the shape of x, for a matrix w whose extents are those of `like`. */
function frozenProduct(b: GradBuilder, dy: Value, w: Value, x: Value, like: Value): Value {
  const n = b.dims(like)[1];
  if (typeof n !== 'number') b.refuse('the extents of its weight are unknown');
  const rank = b.rank(x);
  const flat = rank === 2 ? dy : b.reshape(dy, b.ints([-1, n as number]));
  const dx = gemm(b, flat, w, 0, 1, 1, dy);
  return rank === 2 ? dx : b.reshapeLike(dx, x);
}

/** An operand of an integer product as numbers of the type of `like`, less its zero point: per row of the left one, per column of the right. */
function centred(b: GradBuilder, like: Value, operand: Value, zero: Value | null, left: boolean): Value {
  const dims = b.dims(operand);
  const frozen = !operand.producer && dims.every((dim): dim is number => typeof dim === 'number');
  const late = frozen ? b.reshape(operand, runTimeShape(b, like, dims as readonly number[])) : operand;
  const value = inTypeOf(b, late, like);
  if (!zero) return value;
  const point = inTypeOf(b, zero, like);
  const perRow = left && b.rank(zero) === 1 && b.dims(zero)[0] !== 1;
  return b.sub(value, perRow ? b.reshape(point, b.ints([-1, 1])) : point);
}

function swapped(b: GradBuilder, value: Value, rank: number): Value {
  return b.transpose(
    value,
    Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i)),
  );
}

/** A scale or zero point in a form that broadcasts to x: one for all, or one per index of `axis`. `given` has its shape. */
function broadcastParam(
  b: GradBuilder,
  value: Value,
  given: Value,
  x: Value,
  axis: number,
  blockSize: number,
): Value {
  const rank = b.rank(given);
  if (rank === 0) return value;
  if (rank > 1 || blockSize > 0) b.refuse('it has a scale per block');
  if (b.dims(given)[0] === 1) return b.reshape(value, b.ints([]));
  const wide = b.rank(x);
  const at = axisOf(axis, wide);
  return b.reshape(value, b.ints(Array.from({ length: wide }, (_, i) => (i === at ? -1 : 1))));
}

function f32(b: GradBuilder, value: Value): Value {
  const { type } = value;
  return type?.kind === 'tensor' && type.dtype === 'f32' ? value : b.one('Cast', [value], { to: attrInt(1) });
}

/** `value` in the floating-point type of `like`, or as it is when that is not such a type. */
function inTypeOf(b: GradBuilder, value: Value, like: Value): Value {
  const [own, wanted] = [value.type, like.type];
  if (wanted?.kind !== 'tensor' || !isFloat(wanted.dtype)) return f32(b, value);
  if (own?.kind === 'tensor' && own.dtype === wanted.dtype) return value;
  return b.one('Cast', [value], { to: attrInt(dtypeToOnnx(wanted.dtype)) });
}
