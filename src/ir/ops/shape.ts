import type { Node } from '../model.js';
import { type Dim, type Shape, shapeText, staticShape } from '../shape.js';
import { attrsOf } from './core/attrs.js';
import { type AttrsOf, type InferContext, type NdArray, type OpDef, op } from './core/define.js';
import { divExact, type Ints, productOf } from './core/dims.js';
import { attributes, input, type Vjp } from './core/gradient.js';
import { broadcastIndex, gatherInts } from './core/ints.js';
import {
  broadcastShape,
  broadcastTo,
  nd,
  offset,
  reshape,
  reshape as reshapeNd,
  scalarArray,
  sizeOf,
  stridesOf,
  transpose as transposeNd,
} from './core/nd.js';
import {
  attrs,
  axisIn,
  broadcastInputs,
  need,
  numbersAt,
  ofRank,
  one,
  refuse,
  rule,
  tensorAt,
  unknownDims,
} from './core/rules.js';
import { reshapeSlices, transposeSlices } from './core/slices.js';

/** Shapes, and other views of the same elements. */

/** Array.slice clamps and counts from the end as the specification asks. */
function range({ start = 0, end }: AttrsOf<'Shape'>): [number, number?] {
  return end === undefined ? [start] : [start, end];
}

/** Shape: the extents of the input, or from version 15 on those of dimensions `start` to `end`. */
export const ShapeOp = op({
  name: 'Shape',
  since: 1,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const dims = tensorAt(ctx, 0)?.shape;
    if (!dims) return one('i64', [null]);
    const part = dims.slice(...range(attrs(node, ctx)));
    return one('i64', [part.length], part);
  }),
  value: (node: Node<'Shape'>, inputs) => {
    const part = need(inputs, 0).shape.slice(...range(attrsOf(node)));
    return [nd([part.length], part)];
  },
  stopsGradient: true,
  cases: [
    { inputs: ['float[2,3,4]'], attrs: { start: -2 } },
    { inputs: ['float[2,3,4]'], attrs: { start: 1, end: -1 } },
  ],
});

/** Size: the number of elements. */
export const Size = op({
  name: 'Size',
  since: 1,
  traits: ['pure'],
  infer: rule((_, ctx) => {
    const dims = tensorAt(ctx, 0)?.shape;
    return one('i64', [], dims ? [productOf(dims)] : null);
  }),
  value: (_, inputs) => [scalarArray(need(inputs, 0).data.length)],
  stopsGradient: true,
  cases: [{ inputs: ['float[2,3,4]'] }],
});

function resolve(node: Node, from: Shape | null, wanted: Ints, allowZero: boolean): Shape {
  const dims: Dim[] = wanted.map((dim, k) => {
    if (dim !== 0 || allowZero) return dim;
    if (from && k >= from.length)
      refuse(node, `entry ${k} copies an extent that ${shapeText(from)} does not have`);
    return from?.[k] ?? null;
  });
  const open = dims.flatMap((dim, k) => (dim === -1 || dim === null ? [k] : []));
  const total = from ? productOf(from) : null;
  if (open.length === 1) {
    const rest = productOf(dims.filter((_, k) => k !== open[0]));
    if (typeof total === 'number' && typeof rest === 'number' && rest !== 0 && total % rest !== 0) {
      refuse(node, `${shapeText(from)} has ${total} elements, which ${rest} does not divide`);
    }
    dims[open[0]!] = divExact(total, rest);
  }
  const result = dims.map((dim) => (dim === -1 ? null : dim));
  const extents = staticShape(result);
  if (typeof total === 'number' && extents && sizeOf(extents) !== total) {
    refuse(node, `${shapeText(from)} has ${total} elements, ${shapeText(extents)} does not`);
  }
  return result;
}

/** Reshape, Squeeze, Unsqueeze, Flatten: the gradient takes the input's shape. */
const reshapeVjp: Vjp = (b, node, [dy]) => [b.reshapeLike(dy!, input(node, 0)), null];

/**
 * Reshape: the same elements in another shape. An entry 0 copies the input's extent (unless allowzero=1), one entry
 * -1 takes what is left. An entry that is not known is worked out when it is the only one.
 */
export const Reshape = op(
  [
    op({
      name: 'Reshape',
      since: 5,
      traits: ['pure', 'linear'],
      infer: rule((node, ctx) => {
        const x = tensorAt(ctx, 0);
        const wanted = ctx.ints(1);
        if (!wanted) {
          const rank = tensorAt(ctx, 1)?.shape?.[0];
          return one(x?.dtype, ofRank(rank));
        }
        const shape = resolve(node, x?.shape ?? null, wanted, attrs(node, ctx).allowzero === 1);
        return one(x?.dtype, shape, ctx.ints(0));
      }),
      slices: (node, axis) => reshapeSlices(node, axis),
      value: (node, inputs) => {
        const x = need(inputs, 0);
        const shape = resolve(node, x.shape, [...need(inputs, 1).data], attrsOf(node).allowzero === 1);
        return [reshapeNd(x, shape as readonly number[])];
      },
    }),
    op({
      name: 'Reshape',
      since: 1,
      until: 4,
      traits: ['pure', 'linear'],
      infer: rule((node, ctx) => {
        const x = tensorAt(ctx, 0);
        const { shape } = attrs(node, ctx);
        return one(x?.dtype, shape ? resolve(node, x?.shape ?? null, shape, false) : null, ctx.ints(0));
      }),
      value: (node, inputs) => {
        const x = need(inputs, 0);
        const shape = resolve(node, x.shape, attrsOf(node, 1).shape ?? [], false);
        return [reshapeNd(x, shape as readonly number[])];
      },
    }),
  ],
  {
    elements: 'kept',
    vjp: reshapeVjp,
    throughIntegers: true,
    cases: [{ inputs: ['float[2,3,4]', 'const int64[3] {0, -1, 2}'] }],
  },
);

/** Flatten: a matrix; dimensions before `axis` become the rows, the others the columns. */
export const Flatten = op({
  name: 'Flatten',
  since: 1,
  traits: ['pure', 'linear'],
  elements: 'kept',
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    if (!x?.shape) return one(x?.dtype, [null, null]);
    let { axis } = attrs(node, ctx);
    if (axis < -x.shape.length || axis > x.shape.length)
      refuse(node, `axis ${axis} is outside rank ${x.shape.length}`);
    if (axis < 0) axis += x.shape.length;
    return one(x.dtype, [productOf(x.shape.slice(0, axis)), productOf(x.shape.slice(axis))]);
  }),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    const { axis } = attrsOf(node);
    const at = axis < 0 ? axis + x.shape.length : axis;
    return [reshape(x, [sizeOf(x.shape.slice(0, at)), sizeOf(x.shape.slice(at))])];
  },
  vjp: reshapeVjp,
  throughIntegers: true,
  cases: [{ inputs: ['float[2,3,4]'], attrs: { axis: -1 } }],
});

type AxesOp = 'Squeeze' | 'Unsqueeze';

/** Axes of Squeeze and Unsqueeze, attribute before version 13 and input from then on; null when not known. */
function axesFor(
  node: Node<AxesOp>,
  ctx: InferContext,
  asInput: boolean,
): readonly number[] | null | undefined {
  if (!asInput) return attrs(node, ctx).axes;
  return node.inputs[1] ? numbersAt(ctx, 1) : undefined;
}

function squeezed(node: Node, shape: Shape, axes: readonly number[] | undefined): Shape | null {
  // which dimensions have extent 1 is only known when all are numbers
  if (!axes) return shape.every((dim) => typeof dim === 'number') ? shape.filter((dim) => dim !== 1) : null;
  const gone = axes.map((axis) => axisIn(node, axis, shape.length));
  for (const axis of gone) {
    const dim = shape[axis];
    if (typeof dim === 'number' && dim !== 1)
      refuse(node, `dimension ${axis} of extent ${dim} cannot be squeezed`);
  }
  return shape.filter((_, k) => !gone.includes(k));
}

function axesIn(
  node: Node<AxesOp>,
  inputs: readonly (NdArray | null)[],
  asInput: boolean,
): readonly number[] | undefined {
  if (asInput) return inputs[1] ? [...inputs[1].data] : undefined;
  return attrsOf(node, 12).axes;
}

function squeezeOf(since: number, until?: number): OpDef<'Squeeze'> {
  const asInput = since >= 13;
  return op({
    name: 'Squeeze',
    since,
    ...(until ? { until } : {}),
    traits: ['pure', 'linear'],
    infer: rule((node, ctx) => {
      const x = tensorAt(ctx, 0);
      const axes = axesFor(node, ctx, asInput);
      if (!x?.shape) return one(x?.dtype, null);
      if (axes === null) {
        const count = tensorAt(ctx, 1)?.shape?.[0];
        return one(x.dtype, typeof count === 'number' ? ofRank(x.shape.length - count) : null);
      }
      return one(x.dtype, squeezed(node, x.shape, axes), ctx.ints(0));
    }),
    value: (node, inputs) => {
      const x = need(inputs, 0);
      return [reshape(x, squeezed(node, x.shape, axesIn(node, inputs, asInput)) as readonly number[])];
    },
  });
}

/** Squeeze: without the dimensions `axes` of extent 1 (all such when absent). Axes are an input from version 13 on. */
export const Squeeze = op([squeezeOf(1, 12), squeezeOf(13)], {
  elements: 'kept',
  vjp: reshapeVjp,
  throughIntegers: true,
  cases: [
    { inputs: ['float[1,3,1]', 'const int64[1] {-1}'] },
    { inputs: ['float[1,3,1]'] },
    { inputs: ['float[1,3,1]'], opset: 12, attrs: { axes: [-1] } },
  ],
});

function widened(node: Node, shape: Shape, axes: readonly number[]): Shape {
  const rank = shape.length + axes.length;
  const places = new Set(axes.map((axis) => axisIn(node, axis, rank)));
  if (places.size !== axes.length) refuse(node, `axes [${axes.join(',')}] repeat a dimension`);
  const rest = shape[Symbol.iterator]();
  return Array.from({ length: rank }, (_, k): Dim => (places.has(k) ? 1 : rest.next().value!));
}

function unsqueezeOf(since: number, until?: number): OpDef<'Unsqueeze'> {
  const asInput = since >= 13;
  return op({
    name: 'Unsqueeze',
    since,
    ...(until ? { until } : {}),
    traits: ['pure', 'linear'],
    infer: rule((node, ctx) => {
      const x = tensorAt(ctx, 0);
      const axes = axesFor(node, ctx, asInput);
      if (!x?.shape) return one(x?.dtype, null);
      if (!axes) {
        const count = tensorAt(ctx, 1)?.shape?.[0];
        return one(x.dtype, typeof count === 'number' ? ofRank(x.shape.length + count) : null);
      }
      return one(x.dtype, widened(node, x.shape, axes), ctx.ints(0));
    }),
    value: (node, inputs) => {
      const x = need(inputs, 0);
      return [reshape(x, widened(node, x.shape, axesIn(node, inputs, asInput) ?? []) as readonly number[])];
    },
  });
}

/** Unsqueeze: with new dimensions of extent 1 at the places `axes` of the result. Axes are an input from version 13 on. */
export const Unsqueeze = op([unsqueezeOf(1, 12), unsqueezeOf(13)], {
  elements: 'kept',
  vjp: reshapeVjp,
  throughIntegers: true,
  cases: [
    { inputs: ['float[3,2]', 'const int64[2] {-1, 0}'] },
    { inputs: ['float[3,2]'], opset: 11, attrs: { axes: [1, 3] } },
  ],
});

function permOf(node: Node, perm: readonly number[] | undefined, rank: number): readonly number[] {
  const order = Array.from({ length: rank }, (_, k) => k);
  if (!perm || (perm.length === 0 && rank === 0)) return order.reverse();
  const axes = perm.map((p) => (p < 0 ? p + rank : p));
  if (axes.length !== rank || order.some((k) => !axes.includes(k))) {
    refuse(node, `perm [${perm.join(',')}] does not order ${rank} dimensions`);
  }
  return axes;
}

/** Transpose: dimension k of the result is dimension perm[k] of the input; without perm the order is reversed. */
export const Transpose = op({
  name: 'Transpose',
  since: 1,
  traits: ['pure', 'linear'],
  elements: 'reordered',
  weightStep: 'transpose',
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const given = attrs(node, ctx).perm;
    if (!x?.shape) return one(x?.dtype, given ? unknownDims(given.length) : null);
    const perm = permOf(node, given, x.shape.length);
    const shape = perm.map((p) => x.shape![p]!);
    const values = ctx.ints(0);
    const extents = staticShape(x.shape);
    if (!values || !extents) return one(x.dtype, shape);
    const strides = perm.map((p) => stridesOf(extents)[p]!);
    return one(
      x.dtype,
      shape,
      gatherInts(shape, (index) => values[offset(strides, index)]!),
    );
  }),
  slices: (node, axis) => transposeSlices(node, axis),
  value: (node, inputs) => {
    const x = need(inputs, 0);
    return [transposeNd(x, permOf(node, attrsOf(node).perm, x.shape.length))];
  },

  /** Transpose by the inverse permutation. */
  vjp: (b, node, [dy]) => {
    const rank = b.rank(input(node, 0));
    const perm = attributes(node, 'Transpose').perm ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
    const inverse = new Array<number>(rank).fill(0);
    for (const [to, from] of perm.entries()) inverse[from] = to;
    return [b.transpose(dy!, inverse)];
  },
  throughIntegers: true,
  cases: [{ inputs: ['float[2,3,4]'], attrs: { perm: [2, 0, 1] } }, { inputs: ['float[2,3,4]'] }],
});

/** Expand: the input broadcast against a shape; an entry 1 keeps the input's extent. */
export const Expand = op({
  name: 'Expand',
  since: 8,
  traits: ['pure', 'linear'],
  elements: 'repeated',
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const wanted = ctx.ints(1);
    if (!x?.shape) return one(x?.dtype, null);
    if (!wanted) {
      const rank = tensorAt(ctx, 1)?.shape?.[0];
      return one(x.dtype, typeof rank === 'number' ? ofRank(Math.max(rank, x.shape.length)) : null);
    }
    const shape = broadcastInputs(node, [x.shape, wanted])!;
    const known = broadcastIndex([ctx.ints(0)], [x.shape], shape);
    return one(
      x.dtype,
      shape,
      known?.map(([v]) => v!),
    );
  }),
  value: (_, inputs) => {
    const x = need(inputs, 0);
    return [broadcastTo(x, broadcastShape([x.shape, [...need(inputs, 1).data]]))];
  },

  /** Expand: sum over the axes that were repeated. */
  vjp: (b, node, [dy]) => [b.sumTo(dy!, node.outputs[0]!, input(node, 0)), null],
  throughIntegers: true,
  cases: [{ inputs: ['float[3,1]', 'const int64[3] {2, 1, 4}'] }],
});
