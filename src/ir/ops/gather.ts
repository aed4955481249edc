import { type Attr, attrInt, attrString } from '../attr.js';
import type { Value } from '../model.js';
import { staticShape } from '../shape.js';
import { f32Tensor } from '../tensor.js';
import { toIntegers } from '../values.js';
import { attrsOf } from './core/attrs.js';
import { positions } from './core/counts.js';
import { type GradBuilder, op } from './core/define.js';
import { attributes, axisOf, constantOf, input } from './core/gradient.js';
import { extentAt, pad, range, zerosLike } from './core/gradient-shape.js';
import { gatherInts } from './core/ints.js';
import { fromIndex, offset, sizeOf, stridesOf } from './core/nd.js';
import { attrs, axisIn, likeFirst, need, one, refuse, rule, tensorAt } from './core/rules.js';

/** Reading and writing at places that another input states. */

/** The shape of `x` with `extent` (1, or -1 for "the rest") at `axis`. */
function reshapeKeeping(b: GradBuilder, dy: Value, x: Value, axis: number, extent = 1): Value {
  const rank = b.rank(x);
  const dims = b.dims(x);
  const known = dims.every((dim, i) => i === axis || typeof dim === 'number');
  if (known) return b.reshape(dy, b.ints(dims.map((dim, i) => (i === axis ? extent : Number(dim)))));
  const parts = Array.from({ length: rank }, (_, i) => (i === axis ? b.ints([extent]) : extentAt(b, x, i)));
  return b.reshape(dy, b.one('Concat', parts, { axis: attrInt(0) }));
}

function ones(count: number): number[] {
  return new Array<number>(count).fill(1);
}

/**
 * `updates` added into zeros of a shape at their indices, repeated ones included; in the element type of `like`. 16-bit
 * numbers are added up in float32: some kernels add no others, and many small shares would be lost.
 */
export function scatterAdd(
  b: GradBuilder,
  op: 'ScatterElements' | 'ScatterND',
  shape: Value,
  indices: Value,
  updates: Value,
  like: Value,
  attrs: Readonly<Record<string, Attr>> = {},
): Value {
  if (b.opset < 16) return b.refuse('adding into repeated places needs opset 16');
  const half = b.isHalf(like);
  const zero = half ? b.constant(f32Tensor([], [0]), 'grad/constant') : b.scalar(0, like);
  const wide = half ? b.one('Cast', [updates], { to: attrInt(1) }) : updates;
  const zeros = b.one('Expand', [zero, shape]);
  const sums = b.one(op, [zeros, indices, wide], { ...attrs, reduction: attrString('add') });
  return half ? b.one('Cast', [sums], { to: attrInt(b.onnxType(like)) }) : sums;
}

function addAlong(b: GradBuilder, x: Value, indices: Value, updates: Value, axis: number): Value {
  return scatterAdd(b, 'ScatterElements', b.shapeOf(x), indices, updates, x, { axis: attrInt(axis) });
}

/** Zeros of the shape of `x` with the slices of `dy`, a result of Gather, added at the indices, which have that rank. */
export function addSlices(
  b: GradBuilder,
  x: Value,
  indices: Value,
  rank: number,
  dy: Value,
  axis: number,
): Value {
  const slab = rank === 1 ? dy : reshapeKeeping(b, dy, x, axis, -1);
  const line = b.reshape(indices, b.ints([...ones(axis), -1, ...ones(b.rank(x) - 1 - axis)]));
  const wide = b.one('Expand', [line, b.one('Shape', [slab])]);
  return addAlong(b, x, wide, slab, axis);
}

/** Gather: y[..i.., j.., ..k..] = x[..i.., indices[j..], ..k..]: `axis` is replaced by the dimensions of the indices. */
export const Gather = op({
  name: 'Gather',
  since: 1,
  traits: ['pure'],
  lookups: [{ indices: 1, table: 0 }],
  parameter: { input: 0, rank: 2, does: 'is an embedding table: rows are looked up, not multiplied' },
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const at = tensorAt(ctx, 1)?.shape;
    if (!x?.shape || !at) return one(x?.dtype, null);
    const axis = axisIn(node, attrs(node, ctx).axis, x.shape.length);
    const shape = [...x.shape.slice(0, axis), ...at, ...x.shape.slice(axis + 1)];
    const values = ctx.ints(0);
    const indices = ctx.ints(1);
    const from = staticShape(x.shape);
    const indexShape = staticShape(at);
    if (!values || !indices || !from || !indexShape) return one(x.dtype, shape);
    const [strides, indexStrides] = [stridesOf(from), stridesOf(indexShape)];
    const pick = (index: readonly number[]) => {
      const k = indices[offset(indexStrides, index.slice(axis, axis + at.length))]!;
      if (typeof k !== 'number') return null;
      const where = [...index.slice(0, axis), k < 0 ? k + from[axis]! : k, ...index.slice(axis + at.length)];
      return values[offset(strides, where)] ?? null;
    };
    return one(x.dtype, shape, gatherInts(shape, pick));
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const indices = need(inputs, 1);
    const axis = axisIn(node, attrsOf(node).axis, x.shape.length);
    const n = indices.shape.length;
    const [strides, indexStrides] = [stridesOf(x.shape), stridesOf(indices.shape)];
    const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
    return [
      fromIndex(shape, (index) => {
        const k = indices.data[offset(indexStrides, index.slice(axis, axis + n))]!;
        const where = [...index.slice(0, axis), k < 0 ? k + x.shape[axis]! : k, ...index.slice(axis + n)];
        return x.data[offset(strides, where)]!;
      }),
    ];
  },

  /**
   * Gather along an axis: the gradient of each slice is added at its index, repeated indices included. One constant
   * index (class-token pooling) becomes a Pad; anything else a ScatterElements with addition.
   */
  vjp: (b, node, [dy]) => {
    const [x, indices] = [input(node, 0), input(node, 1)];
    const rank = b.rank(x);
    const axis = axisOf(attributes(node, 'Gather').axis, rank);
    const data = constantOf(indices);
    const count = data?.shape.reduce((a, c) => a * c, 1);
    if (data && count === 1) {
      const at = toIntegers(data)[0]!;
      const slab = data.shape.length === 1 ? dy! : reshapeKeeping(b, dy!, x, axis);
      const extent = extentAt(b, x, axis);
      const before = at >= 0 ? b.ints([at]) : b.one('Add', [extent, b.ints([at])]);
      const after = b.one('Sub', [b.one('Sub', [extent, b.ints([1])]), before]);
      return [pad(b, slab, before, after, axis, x), null];
    }
    return [addSlices(b, x, indices, b.rank(indices), dy!, axis), null];
  },
  throughIntegers: true,
  cases: [{ inputs: ['float[3,4]', 'int64[2,2] {0, -1, 2, 3}'], attrs: { axis: 1 } }],
});

/** GatherElements: y[i,j,k] = x[indices[i,j,k],j,k] for axis 0, and likewise along the others. */
export const GatherElements = op({
  name: 'GatherElements',
  since: 11,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const at = tensorAt(ctx, 1)?.shape ?? null;
    if (x?.shape && at && x.shape.length !== at.length)
      refuse(node, `ranks ${x.shape.length} and ${at.length} differ`, 1);
    if (x?.shape) axisIn(node, attrs(node, ctx).axis, x.shape.length);
    return one(x?.dtype, at);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const indices = need(inputs, 1);
    const axis = axisIn(node, attrsOf(node).axis, x.shape.length);
    const [strides, indexStrides] = [stridesOf(x.shape), stridesOf(indices.shape)];
    return [
      fromIndex(indices.shape, (index) => {
        const k = indices.data[offset(indexStrides, index)]!;
        return x.data[offset(strides, index.with(axis, k < 0 ? k + x.shape[axis]! : k))]!;
      }),
    ];
  },

  /** GatherElements: scatter the gradient back with addition. */
  vjp: (b, node, [dy]) => {
    const x = input(node, 0);
    const axis = axisOf(attributes(node, 'GatherElements').axis, b.rank(x));
    return [addAlong(b, x, input(node, 1), dy!, axis), null];
  },
  throughIntegers: true,
  cases: [{ inputs: ['float[2,4]', 'int64[2,3] {0, -1, 2, 3, 1, 1}'], attrs: { axis: 1 } }],
});

/** GatherND: the last dimension of the indices holds index tuples into x, after `batch_dims` common dimensions. */
export const GatherND = op({
  name: 'GatherND',
  since: 11,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const at = tensorAt(ctx, 1)?.shape;
    const tuple = at?.at(-1);
    if (!x?.shape || !at || typeof tuple !== 'number') return one(x?.dtype, null);
    const batch = attrs(node, ctx).batch_dims ?? 0;
    if (batch + tuple > x.shape.length)
      refuse(node, `index tuples of ${tuple} are too long for rank ${x.shape.length}`, 1);
    return one(x.dtype, [...at.slice(0, -1), ...x.shape.slice(batch + tuple)]);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const indices = need(inputs, 1);
    const batch = attrsOf(node).batch_dims ?? 0;
    const outer = indices.shape.slice(0, -1);
    const tuple = indices.shape.at(-1)!;
    const [strides, indexStrides] = [stridesOf(x.shape), stridesOf(indices.shape)];
    return [
      fromIndex([...outer, ...x.shape.slice(batch + tuple)], (index) => {
        const base = offset(indexStrides, index.slice(0, outer.length));
        const where = Array.from({ length: tuple }, (_, t) => {
          const k = indices.data[base + t]!;
          return k < 0 ? k + x.shape[batch + t]! : k;
        });
        return x.data[offset(strides, [...index.slice(0, batch), ...where, ...index.slice(outer.length)])]!;
      }),
    ];
  },

  /** GatherND: ScatterND with addition; common dimensions become the head of each index tuple. */
  vjp: (b, node, [dy]) => {
    const [x, indices] = [input(node, 0), input(node, 1)];
    const { batch_dims: common = 0 } = attributes(node, 'GatherND');
    const rank = b.rank(indices);
    const heads = range(common).map((axis) => {
      const laid = b.reshape(positions(b, extentAt(b, x, axis)), b.ints([-1, ...ones(rank - 1 - axis)]));
      const shape = range(rank - 1).map((k) => extentAt(b, indices, k));
      return b.one('Expand', [laid, b.one('Concat', [...shape, b.ints([1])], { axis: attrInt(0) })]);
    });
    const tuples = common === 0 ? indices : b.one('Concat', [...heads, indices], { axis: attrInt(rank - 1) });
    return [scatterAdd(b, 'ScatterND', b.shapeOf(x), tuples, dy!, x), null];
  },
  cases: [
    { inputs: ['float[2,3,4]', 'int64[2,2] {0, 1, 1, -1}'] },
    { inputs: ['float[2,3,4]', 'int64[2,1] {2, -2}'], attrs: { batch_dims: 1 } },
  ],
});

/** The `reduction` of the scatter ops: how an update meets the element that is there. */
function combine(reduction: string | undefined, old: number, update: number): number {
  switch (reduction) {
    case 'add':
      return old + update;
    case 'mul':
      return old * update;
    case 'max':
      return Math.max(old, update);
    case 'min':
      return Math.min(old, update);
    default:
      return update;
  }
}

/** ScatterElements: x with y[indices[i,j,k],j,k] set to (or combined with) updates[i,j,k] for axis 0, and likewise. */
export const ScatterElements = op({
  name: 'ScatterElements',
  since: 11,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    if (x?.shape) axisIn(node, attrs(node, ctx).axis, x.shape.length);
    return one(x?.dtype, x?.shape ?? null);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const indices = need(inputs, 1);
    const updates = need(inputs, 2);
    const a = attrsOf(node);
    const axis = axisIn(node, a.axis, x.shape.length);
    const data = Float64Array.from(x.data);
    const [strides, indexStrides] = [stridesOf(x.shape), stridesOf(indices.shape)];
    fromIndex(indices.shape, (index) => {
      const from = offset(indexStrides, index);
      const k = indices.data[from]!;
      const to = offset(strides, index.with(axis, k < 0 ? k + x.shape[axis]! : k));
      data[to] = combine(a.reduction, data[to]!, updates.data[from]!);
      return 0;
    });
    return [{ shape: x.shape, data }];
  },

  /** ScatterElements: what was overwritten gets no gradient; updates get that of their places. */
  vjp: (b, node, [dy]) => {
    const { reduction, axis } = attributes(node, 'ScatterElements');
    const at = { axis: attrInt(axisOf(axis, b.rank(input(node, 0)))) };
    const indices = input(node, 1);
    if (reduction !== 'none' && reduction !== 'add')
      return { because: `its reduction is ${reduction}`, at: node };
    const zeros = (): Value => zerosLike(b, input(node, 2));
    const kept = (): Value =>
      reduction === 'add' ? dy! : b.one('ScatterElements', [dy!, indices, zeros()], at);
    return [
      b.wants(0) ? kept() : null,
      null,
      b.wants(2) ? b.one('GatherElements', [dy!, indices], at) : null,
    ];
  },
  cases: [
    { inputs: ['float[3,3]', 'int64[2,3] {1, 0, 2, 0, 2, 1}', 'float[2,3]'] },
    {
      inputs: ['float[3,3]', 'int64[2,2] {1, -1, 1, 1}', 'float[2,2]'],
      attrs: { axis: 1, reduction: 'add' },
    },
  ],
});

/** ScatterND: x with the slices that the index tuples name set to (or combined with) the updates. */
export const ScatterND = op({
  name: 'ScatterND',
  since: 11,
  traits: ['pure'],
  infer: likeFirst(),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const indices = need(inputs, 1);
    const updates = need(inputs, 2);
    const { reduction } = attrsOf(node);
    const tuple = indices.shape.at(-1)!;
    const inner = sizeOf(x.shape.slice(tuple));
    const strides = stridesOf(x.shape).slice(0, tuple);
    const data = Float64Array.from(x.data);
    for (let row = 0; row < sizeOf(indices.shape.slice(0, -1)); row++) {
      const where = Array.from(indices.data.subarray(row * tuple, (row + 1) * tuple), (k, t) =>
        k < 0 ? k + x.shape[t]! : k,
      );
      const base = offset(strides, where);
      for (let i = 0; i < inner; i++)
        data[base + i] = combine(reduction, data[base + i]!, updates.data[row * inner + i]!);
    }
    return [{ shape: x.shape, data }];
  },

  /** ScatterND: as ScatterElements. */
  vjp: (b, node, [dy]) => {
    const { reduction } = attributes(node, 'ScatterND');
    const indices = input(node, 1);
    if (reduction !== 'none' && reduction !== 'add')
      return { because: `its reduction is ${reduction}`, at: node };
    if (b.opset < 12) return { because: 'gathering by index tuples needs opset 12', at: node };
    const kept = (): Value =>
      reduction === 'add' ? dy! : b.one('ScatterND', [dy!, indices, zerosLike(b, input(node, 2))]);
    return [b.wants(0) ? kept() : null, null, b.wants(2) ? b.one('GatherND', [dy!, indices]) : null];
  },
  cases: [
    { inputs: ['float[4,3]', 'int64[2,1] {1, 3}', 'float[2,3]'] },
    { inputs: ['float[4,3]', 'int64[2,1] {1, 3}', 'float[2,3]'], attrs: { reduction: 'add' } },
    { inputs: ['float[4,3]', 'int64[2,1] {1, 3}', 'float[2,3]'], attrs: { reduction: 'mul' }, gradient: [] },
  ],
});
