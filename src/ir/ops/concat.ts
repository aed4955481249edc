import { type Dim, staticShape } from '../shape.js';
import { attrsOf } from './attrs.js';
import { type NdArray, op } from './define.js';
import { addDim, unifyDim } from './dims.js';
import { concatVjp } from './gradients/shape.js';
import { gatherInts } from './ints.js';
import { fromIndex, offset, sizeOf, stridesOf } from './nd.js';
import { attrs, axisIn, mustAgree, need, one, refuse, rule, tensorAt } from './rules.js';

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
});

/** Which part holds position `at`, and where in it. */
export function locate(extents: readonly number[], at: number): readonly [number, number] {
  let rest = at;
  for (const [part, extent] of extents.entries()) {
    if (rest < extent) return [part, rest];
    rest -= extent;
  }
  throw new Error(`position ${at} is beyond the last part`);
}

function unknownOf(extent: Dim | undefined): Dim[] | null {
  return typeof extent === 'number' && extent <= 64 ? new Array<Dim>(extent).fill(null) : null;
}
