import { attrInt } from '../attr.js';
import type { Node } from '../model.js';
import { type Dim, staticShape } from '../shape.js';
import { attrsOf } from './core/attrs.js';
import { type Count, extentOf, shapeOfCounts } from './core/counts.js';
import { type Inferred, type NdArray, type OpDef, op } from './core/define.js';
import { addDim, divExact, type Ints, mulDim, unifyDim } from './core/dims.js';
import { attributes, axisOf, input, type Vjp } from './core/gradient.js';
import { entry, extentAt, slice, zerosLike } from './core/gradient-shape.js';
import { gatherInts } from './core/ints.js';
import { fromIndex, offset, sizeOf, stridesOf } from './core/nd.js';
import {
  attrs,
  axisIn,
  mustAgree,
  need,
  one,
  refuse,
  rule,
  tensorAt,
  typeOf,
  unknownDims,
} from './core/rules.js';

/** Joining, splitting and repeating along axes. */

function unknownOf(extent: Dim | undefined): Dim[] | null {
  return typeof extent === 'number' && extent <= 64 ? new Array<Dim>(extent).fill(null) : null;
}

/** Which part holds position `at`, and where in it. */
function locate(extents: readonly number[], at: number): readonly [number, number] {
  let rest = at;
  for (const [part, extent] of extents.entries()) {
    if (rest < extent) return [part, rest];
    rest -= extent;
  }
  throw new Error(`position ${at} is beyond the last part`);
}

/** Concat: each input takes its stretch of the gradient. */
const concatVjp: Vjp = (b, node, [dy]) => {
  const axis = axisOf(attributes(node, 'Concat').axis ?? 1, b.rank(node.outputs[0]!));
  const extents = node.inputs.map((value) => b.dims(value!)[axis] ?? null);
  const known = extents.every((extent): extent is number => typeof extent === 'number');
  if (known) {
    let at = 0;
    return extents.map((extent, index) => {
      const from = at;
      at += extent;
      return b.wants(index) ? slice(b, dy!, b.ints([from]), b.ints([at]), axis) : null;
    });
  }
  let from = b.ints([0]);
  return node.inputs.map((value, index) => {
    const to = b.one('Add', [from, extentAt(b, value!, axis)]);
    const part = b.wants(index) ? slice(b, dy!, from, to, axis) : null;
    from = to;
    return part;
  });
};

/** Concat: the inputs one after another along `axis` (default 1 before version 4). */
export const Concat = op({
  name: 'Concat',
  since: 1,
  traits: ['pure', 'linear'],
  infer: rule((node, ctx) => {
    const types = node.inputs.map((_, index) => tensorAt(ctx, index));
    const dtype = types.find((type) => type !== null)?.dtype;
    const ranked = types.flatMap((type) => (type?.shape ? [type.shape] : []));
    const rank = ranked[0]?.length;
    if (rank === undefined) return one(dtype, null);
    const axis = axisIn(node, attrs(node, ctx).axis ?? 1, rank);
    const shape: Dim[] = new Array<Dim>(rank).fill(null);
    for (const own of ranked) {
      if (own.length !== rank) refuse(node, `inputs have ${rank} and ${own.length} dimensions`);
      for (const [k, dim] of own.entries()) {
        if (k === axis) continue;
        mustAgree(node, shape[k], dim, `dimension ${k}`);
        shape[k] = unifyDim(shape[k]!, dim) ?? null;
      }
    }
    shape[axis] = types.reduce<Dim>((sum, type) => addDim(sum, type?.shape?.[axis] ?? null), 0);
    if (rank === 1) {
      const parts = node.inputs.map((_, index) => ctx.ints(index) ?? unknownOf(types[index]?.shape?.[0]));
      return one(dtype, shape, parts.every((part) => part !== null) ? parts.flat() : null);
    }
    const sources = node.inputs.map((_, index) => ctx.ints(index));
    if (sources.some((source) => !source)) return one(dtype, shape);
    return one(
      dtype,
      shape,
      gatherInts(shape, (index) => {
        const [part, at] = locate(
          types.map((type) => type!.shape![axis] as number),
          index[axis]!,
        );
        const strides = stridesOf(staticShape(types[part]!.shape)!);
        return sources[part]![offset(strides, index.with(axis, at))]!;
      }),
    );
  }),
  value: (node, inputs): NdArray[] => {
    const parts = inputs.map((_, index) => need(inputs, index));
    const first = parts[0]!;
    const axis = axisIn(node, attrsOf(node).axis ?? 1, first.shape.length);
    const extents = parts.map((part) => part.shape[axis]!);
    const shape = first.shape.with(
      axis,
      extents.reduce((a, b) => a + b, 0),
    );
    if (sizeOf(shape) === 0) return [{ shape, data: new Float64Array(0) }];
    const strides = parts.map((part) => stridesOf(part.shape));
    return [
      fromIndex(shape, (index) => {
        const [part, at] = locate(extents, index[axis]!);
        return parts[part]!.data[offset(strides[part]!, index.with(axis, at))]!;
      }),
    ];
  },
  vjp: concatVjp,
  throughIntegers: true,
  cases: [{ inputs: ['float[2,3]', 'float[2,1]', 'float[2,2]'], attrs: { axis: -1 } }],
});

function extentsOf(node: Node, extent: Dim, given: Ints | undefined, count: number): Dim[] {
  if (given) {
    if (given.length !== count) refuse(node, `${given.length} extents for ${count} outputs`);
    const sum = given.reduce<number>((total, dim) => (typeof dim === 'number' ? total + dim : Number.NaN), 0);
    if (typeof extent === 'number' && !Number.isNaN(sum) && sum !== extent) {
      refuse(node, `extents [${given.join(',')}] do not add up to ${extent}`);
    }
    return [...given];
  }
  if (typeof extent !== 'number') return new Array<Dim>(count).fill(divExact(extent, count));
  const size = Math.ceil(extent / count);
  return Array.from({ length: count }, (_, i) => Math.max(0, Math.min(size, extent - i * size)));
}

function partsOf(values: Ints, extents: readonly Dim[]): (Ints | null)[] {
  let start: number | null = 0;
  return extents.map((extent) => {
    if (start === null || typeof extent !== 'number') {
      start = null;
      return null;
    }
    start += extent;
    return values.slice(start - extent, start);
  });
}

function splitOf(since: number, until?: number): OpDef<'Split'> {
  const asInput = since >= 13;
  return op({
    name: 'Split',
    since,
    ...(until ? { until } : {}),
    traits: ['pure', 'linear'],
    infer: rule((node, ctx): Inferred => {
      const x = tensorAt(ctx, 0);
      const count = node.outputs.length;
      if (!x?.shape) return { types: node.outputs.map(() => typeOf(x?.dtype, null)) };
      const a = attrs(node, ctx);
      const axis = axisIn(node, a.axis ?? 0, x.shape.length);
      const given = asInput ? (node.inputs[1] ? (ctx.ints(1) ?? unknownDims(count)) : undefined) : a.split;
      const extents = extentsOf(node, x.shape[axis]!, given, count);
      const shapes = extents.map((extent) => x.shape!.with(axis, extent));
      const values = x.shape.length === 1 ? ctx.ints(0) : null;
      return {
        types: shapes.map((shape) => typeOf(x.dtype, shape)),
        ...(values ? { ints: partsOf(values, extents) } : {}),
      };
    }),
    value: (node, inputs): NdArray[] => {
      const x = need(inputs, 0);
      const a = attrsOf(node);
      const axis = axisIn(node, a.axis ?? 0, x.shape.length);
      const given = asInput ? inputs[1] && [...inputs[1].data] : a.split;
      const strides = stridesOf(x.shape);
      let start = 0;
      return extentsOf(node, x.shape[axis]!, given ?? undefined, node.outputs.length).map((extent) => {
        const from = start;
        start += extent as number;
        const shape = x.shape.with(axis, extent as number);
        return fromIndex(shape, (index) => x.data[offset(strides, index.with(axis, index[axis]! + from))]!);
      });
    },
  });
}

/**
 * Split: consecutive parts along `axis`. Their extents are an attribute before version 13 and an input from then on;
 * without them the parts are equal, and from version 18 (`num_outputs`) the last may be smaller.
 */
export const Split = op([splitOf(1, 12), splitOf(13)], {
  elements: 'part',
  gradientsOf: 'all',
  /** Split: the parts' gradients joined; a part without a gradient counts as zeros. */
  vjp: (b, node, grads) => {
    const axis = axisOf(attributes(node, 'Split').axis ?? 0, b.rank(input(node, 0)));
    const parts = node.outputs.map((output, i) => grads[i] ?? zerosLike(b, output));
    return [b.one('Concat', parts, { axis: attrInt(axis) }), null];
  },
  throughIntegers: true,
  cases: [
    { inputs: ['float[2,7]', 'const int64[2] {2, 5}'], attrs: { axis: 1 }, outputs: 2 },
    { inputs: ['float[2,7]'], attrs: { axis: 1, num_outputs: 3 }, outputs: 3 },
    { inputs: ['float[6,2]'], opset: 11, attrs: { split: [1, 2, 3] }, outputs: 3 },
  ],
});

/** Tile: the input repeated `repeats[k]` times along dimension k. */
export const Tile = op({
  name: 'Tile',
  since: 6,
  traits: ['pure', 'linear'],
  elements: 'repeated',
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    const repeats = ctx.ints(1);
    if (!x?.shape) return one(x?.dtype, repeats ? unknownDims(repeats.length) : null);
    if (!repeats) return one(x.dtype, unknownDims(x.shape.length));
    if (repeats.length !== x.shape.length)
      refuse(node, `${repeats.length} repeats for rank ${x.shape.length}`, 1);
    const shape = x.shape.map((dim, k) => mulDim(dim, repeats[k]!));
    const values = ctx.ints(0);
    const from = staticShape(x.shape);
    if (!values || !from) return one(x.dtype, shape);
    const strides = stridesOf(from);
    return one(
      x.dtype,
      shape,
      gatherInts(
        shape,
        (index) =>
          values[
            offset(
              strides,
              index.map((i, k) => i % from[k]!),
            )
          ]!,
      ),
    );
  }),
  value: (_, inputs) => {
    const x = need(inputs, 0);
    const repeats = need(inputs, 1).data;
    const strides = stridesOf(x.shape);
    const shape = x.shape.map((dim, k) => dim * repeats[k]!);
    return [
      fromIndex(
        shape,
        (index) =>
          x.data[
            offset(
              strides,
              index.map((i, k) => i % x.shape[k]!),
            )
          ]!,
      ),
    ];
  },

  /** Tile: each axis that was repeated is split into repeats and extent, and summed over the repeats. */
  vjp: (b, node, [dy]) => {
    const [x, repeats] = [input(node, 0), input(node, 1)];
    const known = b.contents(repeats);
    const counts: Count[] = [];
    const axes: number[] = [];
    for (let axis = 0; axis < b.rank(x); axis++) {
      const repeat = known?.[axis];
      if (repeat !== 1) {
        axes.push(counts.length);
        counts.push(typeof repeat === 'number' ? repeat : entry(b, repeats, axis));
      }
      counts.push(extentOf(b, x, axis));
    }
    if (axes.length === 0) return [dy!, null];
    return [b.reduceSum(b.reshape(dy!, shapeOfCounts(b, counts)), axes, false), null];
  },
  cases: [{ inputs: ['float[2,3]', 'const int64[2] {2, 1}'] }],
});
