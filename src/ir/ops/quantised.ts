import { attrInt } from '../attr.js';
import { type DType, dtypeFromOnnx, dtypeToOnnx, isFloat } from '../dtype.js';
import type { Value } from '../model.js';
import { f32Tensor } from '../tensor.js';
import { attrsOf } from './core/attrs.js';
import { type GradBuilder, type NdArray, op } from './core/define.js';
import { attributes, axisOf, input, runTimeShape, type Vjp } from './core/gradient.js';
import { matmulShape, matrixCost } from './core/matrix.js';
import {
  fromIndex,
  map,
  matmul,
  offset,
  reshape,
  roundEven,
  scalarArray,
  stridesOf,
  zip,
} from './core/nd.js';
import { attrs, axisIn, dtypeAt, need, one, rule, shapeAt, tensorAt, typeOf } from './core/rules.js';
import { gemm } from './matmul.js';

/** Quantisation, and products of integers. */

/** Least and greatest value of the integer types that quantisation writes. */
const RANGES: Partial<Record<DType, readonly [number, number]>> = {
  u8: [0, 255],
  i8: [-128, 127],
  u16: [0, 65535],
  i16: [-32768, 32767],
  u4: [0, 15],
  i4: [-8, 7],
  i32: [-(2 ** 31), 2 ** 31 - 1],
};

/**
 * A parameter (scale or zero point) read at the place of each element of x: one for all, one per index of `axis`, or
 * one per block of `blockSize` along it.
 */
function spread(p: NdArray, x: readonly number[], axis: number, blockSize: number): NdArray {
  const strides = stridesOf(p.shape);
  return fromIndex(x, (index) => {
    if (p.data.length === 1) return p.data[0]!;
    if (p.shape.length === 1) return p.data[index[axis]!]!;
    return p.data[offset(strides, index.with(axis, Math.floor(index[axis]! / (blockSize || 1))))]!;
  });
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

/**
 * Gradients through quantisation by the straight-through estimator (Bengio, Leonard and Courville, arXiv 1308.3432): rounding
 * counts as the identity. The gradient of a quantised value is a floating-point tensor, as if the integers were reals.
 */

/** q = clamp(round(x / s) + z): dx = dq / s where nothing was clamped, else 0. */
const quantizeLinearVjp: Vjp = (b, node, [dq]) => {
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

/** QuantizeLinear: round(x / scale) + zero point, ties to even, held in the range of the result's type. */
export const QuantizeLinear = op({
  name: 'QuantizeLinear',
  since: 10,
  straightThrough: [0],
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const { output_dtype } = attrs(node, ctx);
    const zero = tensorAt(ctx, 2)?.dtype;
    const dtype = node.inputs[2] ? zero : output_dtype ? dtypeFromOnnx(output_dtype) : 'u8';
    return one(dtype, tensorAt(ctx, 0)?.shape ?? null);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { axis = 1, block_size = 0, output_dtype } = attrsOf(node);
    const dtype = dtypeAt(node, 2) ?? (output_dtype ? dtypeFromOnnx(output_dtype) : 'u8');
    const range = RANGES[dtype];
    if (!range) throw new Error(`QuantizeLinear to ${dtype} has no reference`);
    const at = need(inputs, 1).data.length === 1 ? 0 : axisIn(node, axis, x.shape.length);
    const parts = [x, spread(need(inputs, 1), x.shape, at, block_size)];
    if (inputs[2]) parts.push(spread(inputs[2], x.shape, at, block_size));
    return [zip(parts, (v, s, z = 0) => Math.min(range[1], Math.max(range[0], roundEven(v! / s!) + z)))];
  },
  vjp: quantizeLinearVjp,
  cases: [{ inputs: ['float[2,3]', 'float {0.01}', 'int8 {5}'] }],
});

/** DequantizeLinear: (x - zero point) * scale, per tensor, per index of `axis`, or per block along it. */
export const DequantizeLinear = op({
  name: 'DequantizeLinear',
  since: 10,
  traits: ['pure'],
  weightStep: 'dequantise',
  // products with 4-bit and 8-bit weights become MatMulNBits, which by default rounds activations to 8 bits
  session: { 'session.qdq_matmulnbits_accuracy_level': '1' },
  infer: rule((node, ctx) => {
    const { output_dtype } = attrs(node, ctx);
    const dtype = output_dtype ? dtypeFromOnnx(output_dtype) : tensorAt(ctx, 1)?.dtype;
    return one(dtype, tensorAt(ctx, 0)?.shape ?? null);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { axis = 1, block_size = 0 } = attrsOf(node);
    const at = need(inputs, 1).data.length === 1 ? 0 : axisIn(node, axis, x.shape.length);
    const scale = spread(need(inputs, 1), x.shape, at, block_size);
    if (!inputs[2]) return [zip([x, scale], (v, s) => v! * s!)];
    return [zip([x, scale, spread(inputs[2], x.shape, at, block_size)], (v, s, z) => (v! - z!) * s!)];
  },

  /** x = (q - z) s: dq = dx s. */
  vjp: (b, node, [dx]) => {
    const { axis = 1, block_size = 0 } = attributes(node, 'DequantizeLinear');
    const scale = input(node, 1);
    if (b.wants(1)) return { because: 'its scale depends on what is trained', at: node };
    const wide = broadcastParam(b, inTypeOf(b, scale, dx!), scale, input(node, 0), axis, block_size);
    return [b.mul(dx!, wide), null, null];
  },
  throughIntegers: true,
  cases: [
    { inputs: ['uint8[2,3]', 'float[3] > 0', 'uint8[3]'], attrs: { axis: 1 } },
    { inputs: ['int8[4,3]', 'float[2,3] > 0'], attrs: { axis: 0, block_size: 2 } },
  ],
});

/** DynamicQuantizeLinear: x in 8 unsigned bits, with the scale and zero point that its range (with 0) asks for. */
export const DynamicQuantizeLinear = op({
  name: 'DynamicQuantizeLinear',
  since: 11,
  straightThrough: [0],
  traits: ['pure'],
  infer: rule((_, ctx) => ({
    types: [typeOf('u8', tensorAt(ctx, 0)?.shape ?? null), typeOf('f32', []), typeOf('u8', [])],
  })),
  value: (_, inputs) => {
    const x = need(inputs, 0);
    const low = x.data.reduce((a, b) => Math.min(a, b), 0);
    const high = x.data.reduce((a, b) => Math.max(a, b), 0);
    const scale = (high - low) / 255 || 1;
    const clamp = (v: number): number => Math.min(255, Math.max(0, v));
    const zero = clamp(roundEven(-low / scale));
    return [map(x, (v) => clamp(roundEven(v / scale) + zero)), scalarArray(scale), scalarArray(zero)];
  },

  /** q = round(x / s) + z with s and z from the range of x, which nothing exceeds: dx = dq / s, both taken for constants. */
  vjp: (b, node, [dq]) => [b.div(dq!, node.outputs[1]!)],
  cases: [{ inputs: ['float[2,6]'], outputs: 3 }],
});

/** An operand of an integer product as numbers of the type of `like`, less its zero point: per row of the left one, per column of the right. */
export function lessZeroPoint(
  b: GradBuilder,
  like: Value,
  operand: Value,
  zero: Value | null,
  left: boolean,
): Value {
  const dims = b.dims(operand);
  const frozen = !operand.producer && dims.every((dim): dim is number => typeof dim === 'number');
  const late = frozen ? b.reshape(operand, runTimeShape(b, like, dims as readonly number[])) : operand;
  const value = inTypeOf(b, late, like);
  if (!zero) return value;
  const point = inTypeOf(b, zero, like);
  const perRow = left && b.rank(zero) === 1 && b.dims(zero)[0] !== 1;
  return b.sub(value, perRow ? b.reshape(point, b.ints([-1, 1])) : point);
}

/** dy w^T in the shape of x, for a matrix w whose extents are those of `like`. */
export function frozenProduct(b: GradBuilder, dy: Value, w: Value, x: Value, like: Value): Value {
  const n = b.dims(like)[1];
  if (typeof n !== 'number') b.refuse('the extents of its weight are unknown');
  const rank = b.rank(x);
  const flat = rank === 2 ? dy : b.reshape(dy, b.ints([-1, n as number]));
  const dx = gemm(b, flat, w, 0, 1, 1, dy);
  return rank === 2 ? dx : b.reshapeLike(dx, x);
}

function swapped(b: GradBuilder, value: Value, rank: number): Value {
  return b.transpose(
    value,
    Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i)),
  );
}

/** MatMulInteger: (a - zero point of a)(b - zero point of b) in int32; zero points per row of a and per column of b. */
export const MatMulInteger = op({
  name: 'MatMulInteger',
  since: 10,
  traits: ['pure'],
  linear: { weight: 1 },
  infer: rule((node, ctx) => one('i32', matmulShape(node, tensorAt(ctx, 0)?.shape, tensorAt(ctx, 1)?.shape))),
  cost: (node) => {
    const [a, b] = [shapeAt(node, 0), shapeAt(node, 1)];
    return matrixCost(a, [a, b], matmulShape(node, a, b), 1);
  },
  value: (_, inputs): NdArray[] => {
    const [a, b, za, zb] = [need(inputs, 0), need(inputs, 1), inputs[2], inputs[3]];
    const rows = za && za.shape.length === 1 && za.data.length > 1 ? reshape(za, [za.data.length, 1]) : za;
    const left = rows ? zip([a, rows], (x, z) => x! - z!) : a;
    return [matmul(left, zb ? zip([b, zb], (x, z) => x! - z!) : b)];
  },

  /** y = (a - za)(w - zw) in integers: da = dy (w - zw)^T, dw = (a - za)^T dy. */
  vjp: (b, node, [dy]) => {
    const [a, w] = [input(node, 0), input(node, 1)];
    if (b.wants(2) || b.wants(3)) return { because: 'a zero point depends on what is trained', at: node };
    const [ra, rw] = [b.rank(a), b.rank(w)];
    if (ra < 2 || rw < 2) return { because: 'one of its operands is a vector', at: node };
    const y = node.outputs[0]!;
    const left = () => lessZeroPoint(b, dy!, a, node.inputs[2] ?? null, true);
    const right = () => lessZeroPoint(b, dy!, w, node.inputs[3] ?? null, false);
    if (rw === 2 && !b.wants(1)) return [frozenProduct(b, dy!, right(), a, w), null, null, null];
    const product = (p: Value, q: Value, to: Value) => b.sumTo(b.one('MatMul', [p, q]), y, to);
    if (ra !== rw && (b.wants(0) ? ra : rw) < Math.max(ra, rw)) {
      return { because: 'one of its operands is repeated along batch axes', at: node };
    }
    const da = b.wants(0) ? product(dy!, swapped(b, right(), rw), a) : null;
    const dw = b.wants(1) ? product(swapped(b, left(), ra), dy!, w) : null;
    return [da, dw, null, null];
  },
  throughIntegers: true,
  cases: [{ inputs: ['uint8[2,3]', 'int8[3,4]', 'uint8 {9}', 'int8[4] {1, 2, 3, 4}'] }],
});
