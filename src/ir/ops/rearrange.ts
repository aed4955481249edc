import { attrInt } from '../attr.js';
import type { Node } from '../model.js';
import type { Dim } from '../shape.js';
import { i64Tensor } from '../tensor.js';
import { attrsOf } from './core/attrs.js';
import { type InferContext, type NdArray, type OpDef, op } from './core/define.js';
import { divExact, mulDim, productOf } from './core/dims.js';
import { attributes, axisOf, input } from './core/gradient.js';
import { floats, range, unsqueezeAxis, zerosLike } from './core/gradient-shape.js';
import { alongAxis, fromIndex, nd, offset, reshape, stridesOf, transpose } from './core/nd.js';
import {
  attrs,
  axisIn,
  likeFirst,
  mustAgree,
  need,
  one,
  rankIn,
  rule,
  tensorAt,
  typeOf,
} from './core/rules.js';
import { ndOf } from './core/tensor-values.js';

/** Running sums, triangles, blocks, the greatest elements, determinants. */

/** CumSum: running sums along an axis; `exclusive` leaves the element itself out, `reverse` runs from the end. */
export const CumSum = op({
  name: 'CumSum',
  since: 11,
  traits: ['pure', 'linear'],
  infer: likeFirst(),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { exclusive, reverse } = attrsOf(node);
    const axis = axisIn(node, need(inputs, 1).data[0]!, x.shape.length);
    const run = (line: Float64Array): Float64Array => {
      let sum = 0;
      return line.map((value) => {
        const before = sum;
        sum += value;
        return exclusive ? before : sum;
      });
    };
    return [alongAxis(x, axis, (line) => (reverse ? run(line.toReversed()).toReversed() : run(line)))];
  },

  /** CumSum: the same sums from the other end. */
  vjp: (b, node, [dy]) => {
    const { exclusive, reverse } = attributes(node, 'CumSum');
    const attrs = { exclusive: attrInt(exclusive), reverse: attrInt(reverse ? 0 : 1) };
    return [b.one('CumSum', [dy!, input(node, 1)], attrs), null];
  },
  cases: [
    { inputs: ['float[2,5]', 'const int64 {-1}'], attrs: { exclusive: 1, reverse: 1 } },
    { inputs: ['float[3,2]', 'const int64 {0}'] },
  ],
});

/** Trilu: the upper (or lower) triangle of the last two dimensions, from diagonal k on; zero elsewhere. */
export const Trilu = op({
  name: 'Trilu',
  since: 14,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    rankIn(node, x?.shape, 2, Number.POSITIVE_INFINITY, 'the input');
    return one(x?.dtype, x?.shape ?? null);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { upper } = attrsOf(node);
    const k = inputs[1]?.data[0] ?? 0;
    const strides = stridesOf(x.shape);
    return [
      fromIndex(x.shape, (index) => {
        const diagonal = index.at(-1)! - index.at(-2)!;
        return (upper ? diagonal >= k : diagonal <= k) ? x.data[offset(strides, index)]! : 0;
      }),
    ];
  },

  /** Trilu: the same triangle. */
  vjp: (b, node, [dy]) => {
    const attrs = { upper: attrInt(attributes(node, 'Trilu').upper) };
    return [b.one('Trilu', [dy!, ...node.inputs.slice(1)], attrs), null];
  },
  cases: [
    { inputs: ['float[2,4,5]', 'const int64 {-1}'] },
    { inputs: ['float[4,3]', 'const int64 {1}'], attrs: { upper: 0 } },
  ],
});

/** ReverseSequence: the first `lengths[b]` steps of each row of the batch in the opposite order, the others as they are. */
export const ReverseSequence = op({
  name: 'ReverseSequence',
  since: 10,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    rankIn(node, tensorAt(ctx, 1)?.shape, 1, 1, 'the lengths');
    mustAgree(
      node,
      x?.shape?.[attrs(node, ctx).batch_axis],
      tensorAt(ctx, 1)?.shape?.[0],
      'rows and lengths',
    );
    return one(x?.dtype, x?.shape ?? null);
  }),
  value: (node, inputs) => {
    const [x, lengths] = [need(inputs, 0), need(inputs, 1)];
    const { batch_axis: row, time_axis: time } = attrsOf(node);
    const strides = stridesOf(x.shape);
    return [
      fromIndex(x.shape, (index) => {
        const length = lengths.data[index[row]!]!;
        const at = index[time]! < length ? length - 1 - index[time]! : index[time]!;
        return x.data[offset(strides, index.with(time, at))]!;
      }),
    ];
  },
  /** the same rows turned back */
  vjp: (b, node, [dy]) => {
    const { batch_axis, time_axis } = attributes(node, 'ReverseSequence');
    const axes = { batch_axis: attrInt(batch_axis), time_axis: attrInt(time_axis) };
    return [b.one('ReverseSequence', [dy!, input(node, 1)], axes), null];
  },
  throughIntegers: true,
  cases: [
    { inputs: ['float[4,3,2]', 'int64[3] {3, 1, 4}'] },
    { inputs: ['float[2,5]', 'int64[2] {2, 5}'], attrs: { batch_axis: 0, time_axis: 1 } },
  ],
});

/** DepthToSpace: blocks of channels laid out as squares of b x b pixels, depth first (DCR) or column first (CRD). */
export const DepthToSpace = op({
  name: 'DepthToSpace',
  since: 1,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    rankIn(node, x?.shape, 4, 4, 'the input');
    const b = attrs(node, ctx).blocksize;
    if (!x?.shape) return one(x?.dtype, null);
    const [n, c, h, w] = x.shape;
    return one(x.dtype, [n!, divExact(c!, b * b), mulDim(h!, b), mulDim(w!, b)]);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { blocksize: b, mode = 'DCR' } = attrsOf(node);
    const [n, c, h, w] = x.shape as [number, number, number, number];
    const small = c / (b * b);
    const y =
      mode === 'CRD'
        ? transpose(reshape(x, [n, small, b, b, h, w]), [0, 1, 4, 2, 5, 3])
        : transpose(reshape(x, [n, b, b, small, h, w]), [0, 3, 4, 1, 5, 2]);
    return [reshape(y, [n, small, h * b, w * b])];
  },

  /** DepthToSpace: back by SpaceToDepth, which lays channels out depth first. */
  vjp: (b, node, [dy]) => {
    const { blocksize, mode } = attributes(node, 'DepthToSpace');
    const back = b.one('SpaceToDepth', [dy!], { blocksize: attrInt(blocksize) });
    if (mode !== 'CRD') return [back];
    // (blocks, channels) of SpaceToDepth to (channels, blocks) of the column-first order
    const x = input(node, 0);
    const [, channels] = b.dims(x);
    if (typeof channels !== 'number') return { because: 'its number of channels is not known', at: node };
    const blocks = blocksize * blocksize;
    const apart = b.reshape(back, b.ints([0, blocks, channels / blocks, -1]));
    return [b.reshapeLike(b.transpose(apart, [0, 2, 1, 3]), x)];
  },
  cases: [
    { inputs: ['float[1,8,2,3]'], attrs: { blocksize: 2 } },
    { inputs: ['float[1,8,2,3]'], attrs: { blocksize: 2, mode: 'CRD' } },
  ],
});

/** SpaceToDepth: squares of b x b pixels laid out as channels. */
export const SpaceToDepth = op({
  name: 'SpaceToDepth',
  since: 1,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    rankIn(node, x?.shape, 4, 4, 'the input');
    const b = attrs(node, ctx).blocksize;
    if (!x?.shape) return one(x?.dtype, null);
    const [n, c, h, w] = x.shape;
    return one(x.dtype, [n!, mulDim(c!, b * b), divExact(h!, b), divExact(w!, b)]);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { blocksize: b } = attrsOf(node);
    const [n, c, h, w] = x.shape as [number, number, number, number];
    const y = transpose(reshape(x, [n, c, h / b, b, w / b, b]), [0, 3, 5, 1, 2, 4]);
    return [reshape(y, [n, c * b * b, h / b, w / b])];
  },

  /** SpaceToDepth: back by DepthToSpace, depth first. */
  vjp: (b, node, [dy]) => [
    b.one('DepthToSpace', [dy!], { blocksize: attrInt(attributes(node, 'SpaceToDepth').blocksize) }),
  ],
  cases: [{ inputs: ['float[1,2,4,6]'], attrs: { blocksize: 2 } }],
});

function topKOf(since: number, until?: number): OpDef<'TopK'> {
  const asInput = since >= 10;
  const countFor = (node: Node<'TopK'>, ctx: InferContext): Dim =>
    asInput ? (ctx.ints(1)?.[0] ?? null) : (attrs(node, ctx).k ?? null);
  return op({
    name: 'TopK',
    since,
    ...(until ? { until } : {}),
    traits: ['pure'],
    infer: rule((node, ctx) => {
      const x = tensorAt(ctx, 0);
      const axis = x?.shape ? axisIn(node, attrs(node, ctx).axis, x.shape.length) : 0;
      const shape = x?.shape?.with(axis, countFor(node, ctx)) ?? null;
      return { types: [typeOf(x?.dtype, shape), typeOf('i64', shape)] };
    }),
    value: (node, inputs): NdArray[] => {
      const x = need(inputs, 0);
      const a = attrsOf(node);
      const axis = axisIn(node, a.axis, x.shape.length);
      const k = asInput ? need(inputs, 1).data[0]! : a.k!;
      const strides = stridesOf(x.shape);
      const sign = a.largest === 0 ? 1 : -1;
      const ranked = (index: readonly number[]): readonly [number, number][] =>
        Array.from({ length: x.shape[axis]! }, (_, i): [number, number] => [
          x.data[offset(strides, index.with(axis, i))]!,
          i,
        ]).sort((p, q) => sign * (p[0] - q[0]) || p[1] - q[1]);
      const pick = (which: 0 | 1): NdArray =>
        fromIndex(x.shape.with(axis, k), (index) => ranked(index)[index[axis]!]![which]);
      return [pick(0), pick(1)];
    },
  });
}

/** TopK: the k greatest (or least) elements along an axis and their indices. k is an attribute before version 10. */
export const TopK = op([topKOf(1, 9), topKOf(10)], {
  /** TopK: the gradients of the chosen elements go back to the positions they came from. */
  vjp: (b, node, [dy]) => {
    if (b.opset < 11) return { because: 'putting values into places needs opset 11', at: node };
    const x = input(node, 0);
    const axis = attrInt(axisOf(attributes(node, 'TopK').axis, b.rank(x)));
    return [b.one('ScatterElements', [zerosLike(b, x), node.outputs[1]!, dy!], { axis }), null];
  },
  cases: [
    { inputs: ['float[2,6]', 'const int64[1] {3}'], outputs: 2 },
    { inputs: ['float[5,2]', 'const int64[1] {2}'], outputs: 2, attrs: { axis: 0, largest: 0 } },
    { inputs: ['float[2,6]'], opset: 9, attrs: { k: 3 }, outputs: 2, gradient: [] },
  ],
});

/** NonZero: the indices of all elements that are not zero, one column each. Their number depends on the data. */
export const NonZero = op({
  name: 'NonZero',
  since: 9,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const shape = tensorAt(ctx, 0)?.shape;
    // older exporters count with NonZero(ConstantOfShape(1)): every element is found
    const source = node.inputs[0]?.producer;
    const fill = source?.is('ConstantOfShape') ? attrsOf(source).value : undefined;
    const all = fill !== undefined && ndOf(fill)?.data[0] !== 0;
    return one('i64', [shape?.length ?? null, all && shape ? productOf(shape) : null]);
  }),
  value: (_, inputs) => {
    const x = need(inputs, 0);
    const columns: number[][] = [];
    let flat = 0;
    fromIndex(x.shape, (index) => {
      if (x.data[flat++] !== 0) columns.push([...index]);
      return 0;
    });
    return [
      nd(
        [x.shape.length, columns.length],
        x.shape.flatMap((__, k) => columns.map((column) => column[k]!)),
      ),
    ];
  },
  stopsGradient: true,
  cases: [{ inputs: ['float[2,3] {0, 1, 2, 0, 0, 3}'] }],
});

/** By elimination with the largest pivot of each column; `m` (n, n) is used up. */
function determinant(m: Float64Array, n: number): number {
  let product = 1;
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(m[i * n + k]!) > Math.abs(m[pivot * n + k]!)) pivot = i;
    if (m[pivot * n + k] === 0) return 0;
    if (pivot !== k) {
      product = -product;
      for (let j = 0; j < n; j++) [m[k * n + j], m[pivot * n + j]] = [m[pivot * n + j]!, m[k * n + j]!];
    }
    product *= m[k * n + k]!;
    for (let i = k + 1; i < n; i++) {
      const ratio = m[i * n + k]! / m[k * n + k]!;
      for (let j = k; j < n; j++) m[i * n + j]! -= ratio * m[k * n + j]!;
    }
  }
  return product;
}

/** Larger matrices have too many minors. */
const MOST = 16;

/** Det: the determinants of the matrices in the last two dimensions. */
export const Det = op({
  name: 'Det',
  since: 11,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    rankIn(node, x?.shape, 2, Number.POSITIVE_INFINITY, 'the input');
    if (x?.shape) mustAgree(node, x.shape.at(-1), x.shape.at(-2), 'rows and columns');
    return one(x?.dtype, x?.shape?.slice(0, -2) ?? null);
  }),
  value: (_, inputs) => {
    const x = need(inputs, 0);
    const n = x.shape.at(-1)!;
    const shape = x.shape.slice(0, -2);
    const count = shape.reduce((a, b) => a * b, 1);
    return [
      nd(
        shape,
        Array.from({ length: count }, (_, i) => determinant(x.data.slice(i * n * n, (i + 1) * n * n), n)),
      ),
    ];
  },

  /**
   * Det: the derivative by an element is its cofactor, the determinant of the matrix without its row and column, with
   * alternating signs. That holds for singular matrices too, which have no inverse.
   */
  vjp: (b, node, [dy]) => {
    const x = input(node, 0);
    const rank = b.rank(x);
    const n = b.dims(x)[rank - 1];
    if (typeof n !== 'number' || n > MOST)
      return { because: `its matrices are larger than ${MOST} x ${MOST}, or of an unknown extent`, at: node };
    const wide = unsqueezeAxis(b, unsqueezeAxis(b, dy!, rank - 2), rank - 1);
    if (n === 1) return [wide];
    const left = range(n).flatMap((out) => range(n).filter((k) => k !== out));
    const others = b.constant(i64Tensor([n, n - 1], left), 'grad/others');
    // (..., n rows out, n - 1, n columns out, n - 1)
    const rows = b.one('Gather', [x, others], { axis: attrInt(rank - 2) });
    const both = b.one('Gather', [rows, others], { axis: attrInt(rank) });
    const at = range(rank - 2);
    const minors = b.one('Det', [b.transpose(both, [...at, rank - 2, rank, rank - 1, rank + 1])]);
    const signs = range(n * n).map((i) => ((Math.floor(i / n) + (i % n)) % 2 === 0 ? 1 : -1));
    return [b.mul(b.mul(minors, floats(b, x, [n, n], signs, 'grad/signs')), wide)];
  },
  cases: [{ inputs: ['float[2,3,4,4]'] }, { inputs: ['float[2,2] {0, 2, 3, 0}'] }],
});
