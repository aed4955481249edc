import { type DType, dtypeFromOnnx } from '../dtype.js';
import type { Dim } from '../shape.js';
import { f32Tensor, i64Tensor, type TensorData } from '../tensor.js';
import { attrsOf } from './core/attrs.js';
import { type AttrsOf, type OpDef, op } from './core/define.js';
import { addDim, compareDims, divExact, mulDim, subDim } from './core/dims.js';
import { gatherInts } from './core/ints.js';
import { fromIndex, nd, offset, sizeOf, stridesOf } from './core/nd.js';
import { attrs, axisIn, need, ofRank, one, rankIn, rule, tensorAt } from './core/rules.js';
import { intsOf, MAX_INTS, ndOf } from './core/tensor-values.js';

/** Constants, sequences and random numbers. */

/** The data of a Constant node's attributes; null for strings and sparse tensors. */
export function tensorOf(a: AttrsOf<'Constant'>): TensorData | null {
  if (a.value) return a.value;
  if (a.value_float !== undefined) return f32Tensor([], [a.value_float]);
  if (a.value_floats) return f32Tensor([a.value_floats.length], a.value_floats);
  if (a.value_int !== undefined) return i64Tensor([], [Math.trunc(a.value_int)]);
  return a.value_ints ? i64Tensor([a.value_ints.length], a.value_ints.map(Math.trunc)) : null;
}

function stringsOf(a: AttrsOf<'Constant'>): [DType | null, number[] | null] {
  if (a.value_string !== undefined) return ['string', []];
  return a.value_strings ? ['string', [a.value_strings.length]] : [null, null];
}

/** Constant: the tensor that an attribute holds. */
export const Constant = op({
  name: 'Constant',
  since: 1,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const a = attrs(node, ctx);
    const tensor = tensorOf(a);
    if (tensor) return one(tensor.dtype, tensor.shape, intsOf(tensor));
    const [dtype, shape] = stringsOf(a);
    return one(dtype, shape);
  }),
  value: (node) => {
    const tensor = tensorOf(attrsOf(node));
    const value = tensor && ndOf(tensor);
    if (!value) throw new Error('the constant has no numbers');
    return [nd(value.shape, value.data)];
  },
  cases: [
    { inputs: [], attrs: { value_ints: [3, -1, 2] } },
    { inputs: [], attrs: { value_float: 1.5 } },
  ],
});

/** ConstantOfShape: a tensor of the shape that the input lists, filled with `value` (default: 0 as float32). */
export const ConstantOfShape = op({
  name: 'ConstantOfShape',
  since: 9,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const { value } = attrs(node, ctx);
    const rank = tensorAt(ctx, 0)?.shape?.[0];
    const shape = ctx.ints(0) ?? ofRank(rank);
    const fill = value ? intsOf(value)?.[0] : undefined;
    return one(value?.dtype ?? 'f32', shape, fill === undefined ? null : gatherInts(shape, () => fill));
  }),
  value: (node, inputs) => {
    const { value } = attrsOf(node);
    const shape = [...need(inputs, 0).data];
    const fill = value ? (ndOf(value)?.data[0] ?? 0) : 0;
    return [nd(shape, new Float64Array(sizeOf(shape)).fill(fill))];
  },
  stopsGradient: true,
  cases: [{ inputs: ['const int64[2] {2, 3}'] }],
});

/** EyeLike: ones on diagonal k of a matrix of the input's shape. */
export const EyeLike = op({
  name: 'EyeLike',
  since: 9,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    rankIn(node, x?.shape, 2, 2, 'the input');
    const { dtype } = attrs(node, ctx);
    return one(dtype ? dtypeFromOnnx(dtype) : x?.dtype, x?.shape ?? null);
  }),
  value: (node, inputs) => {
    const { k } = attrsOf(node);
    return [fromIndex(need(inputs, 0).shape, ([i, j]) => (j! - i! === k ? 1 : 0))];
  },
  stopsGradient: true,
  cases: [{ inputs: ['float[3,4]'], attrs: { k: 1 } }],
});

/** OneHot: a new dimension of extent `depth` that holds values[1] at the index and values[0] elsewhere. */
export const OneHot = op({
  name: 'OneHot',
  since: 9,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const shape = tensorAt(ctx, 0)?.shape;
    const dtype = tensorAt(ctx, 2)?.dtype;
    if (!shape) return one(dtype, null);
    const axis = axisIn(node, attrs(node, ctx).axis, shape.length + 1);
    return one(dtype, shape.toSpliced(axis, 0, ctx.ints(1)?.[0] ?? null));
  }),
  value: (node, inputs) => {
    const indices = need(inputs, 0);
    const depth = need(inputs, 1).data[0]!;
    const values = need(inputs, 2).data;
    const axis = axisIn(node, attrsOf(node).axis, indices.shape.length + 1);
    const strides = stridesOf(indices.shape);
    return [
      fromIndex(indices.shape.toSpliced(axis, 0, depth), (index) => {
        const k = indices.data[offset(strides, index.toSpliced(axis, 1))]!;
        return values[index[axis] === (k < 0 ? k + depth : k) ? 1 : 0]!;
      }),
    ];
  },
  stopsGradient: true,
  cases: [
    { inputs: ['int64[2,2] {0, -1, 2, 5}', 'const int64 {4}', 'float[2] {0.25, 3}'], attrs: { axis: 1 } },
  ],
});

function countOf(start: Dim, limit: Dim, delta: Dim): Dim {
  if (typeof start === 'number' && typeof limit === 'number' && typeof delta === 'number') {
    return delta === 0 ? null : Math.max(0, Math.ceil((limit - start) / delta));
  }
  const length = divExact(subDim(limit, start), delta);
  return length !== null && compareDims(length, 0) === -1 ? 0 : length;
}

/** Range: start, start + delta, ... below limit (above it for a negative delta). */
export const Range = op({
  name: 'Range',
  since: 11,
  traits: ['pure'],
  infer: rule((_, ctx) => {
    const dtype = tensorAt(ctx, 0)?.dtype ?? tensorAt(ctx, 1)?.dtype;
    const values = [0, 1, 2].map((index): Dim => {
      const known = ctx.ints(index);
      if (known) return known[0] ?? null;
      const data = ctx.constant(index);
      return data ? (ndOf(data)?.data[0] ?? null) : null;
    });
    const [start, limit, delta] = values as [Dim, Dim, Dim];
    const count = countOf(start, limit, delta);
    const listed = typeof count === 'number' && count <= MAX_INTS && ctx.ints(0) && ctx.ints(2);
    return one(
      dtype,
      [count],
      listed ? Array.from({ length: count }, (__, i) => addDim(start, mulDim(i, delta))) : null,
    );
  }),
  value: (_, inputs) => {
    const [start, limit, delta] = [0, 1, 2].map((i) => need(inputs, i).data[0]!) as [number, number, number];
    const count = Math.max(0, Math.ceil((limit - start) / delta));
    return [
      nd(
        [count],
        Array.from({ length: count }, (__, i) => start + i * delta),
      ),
    ];
  },
  stopsGradient: true,
  cases: [{ inputs: ['const int64 {3}', 'const int64 {-4}', 'const int64 {-2}'] }],
});

/** A random tensor of the shape and type that attributes state. Not pure: two nodes are never the same. */
function randomOp<const Op extends 'RandomNormal' | 'RandomUniform'>(name: Op): OpDef<Op> {
  return {
    name,
    since: 1,
    infer: rule<Op>((node, ctx) => {
      const { dtype = 1, shape } = attrs(node, ctx) as { dtype?: number; shape?: readonly number[] };
      return one(dtypeFromOnnx(dtype), shape ?? null);
    }),
  };
}

/** RandomNormal. Shapes only: the values are random. */
export const RandomNormal = op(randomOp('RandomNormal'), { random: true });

/** A random tensor of the input's shape, and of its type unless `dtype` says otherwise. */
function randomLikeOp<const Op extends 'RandomNormalLike' | 'RandomUniformLike' | 'Bernoulli'>(
  name: Op,
  since = 1,
): OpDef<Op> {
  return {
    name,
    since,
    infer: rule<Op>((node, ctx) => {
      const x = tensorAt(ctx, 0);
      const { dtype } = attrs(node, ctx) as { dtype?: number };
      return one(dtype ? dtypeFromOnnx(dtype) : x?.dtype, x?.shape ?? null);
    }),
  };
}

/** RandomNormalLike. Shapes only: the values are random. */
export const RandomNormalLike = op(randomLikeOp('RandomNormalLike'), { random: true, stopsGradient: true });

/** RandomUniform. Shapes only: the values are random. */
export const RandomUniform = op(randomOp('RandomUniform'), { random: true });

/** RandomUniformLike. Shapes only: the values are random. */
export const RandomUniformLike = op(randomLikeOp('RandomUniformLike'), { random: true, stopsGradient: true });

/** Multinomial: classes drawn with the logarithms of probabilities in each row. Shapes only: the values are random. */
export const Multinomial = op({
  name: 'Multinomial',
  since: 7,
  infer: rule((node, ctx) => {
    const { dtype, sample_size } = attrs(node, ctx);
    return one(dtypeFromOnnx(dtype), [tensorAt(ctx, 0)?.shape?.[0] ?? null, sample_size]);
  }),
  random: true,
  stopsGradient: true,
});

/** Bernoulli: 1 with the probability that the input states. Shapes only: the values are random. */
export const Bernoulli = op(randomLikeOp('Bernoulli', 15), { random: true });
