import type { Node } from '../model.js';
import type { Dim } from '../shape.js';
import { attrsOf } from './attrs.js';
import { type AttrsOf, type InferContext, type NdArray, op } from './define.js';
import { mulDim } from './dims.js';
import { resizeVjp } from './gradients/resize.js';
import { interpolate, type Line } from './interpolate.js';
import { attrs, axisIn, need, one, refuse, rule, tensorAt, unknownDims } from './rules.js';
import { ndOf } from './tensor-values.js';

type Attrs = AttrsOf<'Resize'>;

/**
 * Resize: x interpolated along some of its axes, to extents that are given (`sizes`) or follow from factors (`scales`,
 * rounded down). Operator set 10 has factors alone, and reads x at `i / scale`.
 */
export const Resize = op(
  [
    op({
      name: 'Resize',
      since: 11,
      traits: ['pure', 'linear'],
      infer: rule((node, ctx) => {
        const x = tensorAt(ctx, 0);
        if (!x?.shape) return one(x?.dtype, null);
        const a = attrs(node, ctx);
        const axes = chosen(node, a, x.shape.length);
        const shape: Dim[] = [...x.shape];
        const sizes = node.inputs[3] ? (ctx.ints(3) ?? unknownDims(axes.length)) : null;
        const scales = sizes ? null : scalesAt(ctx, 2);
        const given = (sizes ?? scales)?.length ?? axes.length;
        if (given !== axes.length) refuse(node, `${given} extents for ${axes.length} axes`);
        for (const [i, axis] of axes.entries()) {
          const free = (a.keep_aspect_ratio_policy ?? 'stretch') !== 'stretch';
          shape[axis] = free || crops(a) ? null : sizes ? sizes[i]! : scaled(x.shape[axis]!, scales?.[i]);
        }
        return one(x.dtype, shape);
      }),
      value: (node, inputs): NdArray[] => {
        const x = need(inputs, 0);
        const a = attrsOf(node);
        if (a.antialias || (a.keep_aspect_ratio_policy ?? 'stretch') !== 'stretch' || crops(a))
          throw new Error('a Resize of this form has no reference');
        const axes = chosen(node, a, x.shape.length);
        const [scales, sizes] = [inputs[2], inputs[3]];
        const lines = axes.map((axis, i): Line => {
          const extent = x.shape[axis]!;
          const out = sizes ? sizes.data[i]! : Math.floor(extent * scales!.data[i]!);
          return { axis, in: extent, out, scale: sizes ? out / extent : scales!.data[i]! };
        });
        return [interpolate(x, lines, a)];
      },
    }),
    op({
      name: 'Resize',
      since: 10,
      until: 10,
      traits: ['pure', 'linear'],
      infer: rule((_, ctx) => {
        const x = tensorAt(ctx, 0);
        const scales = scalesAt(ctx, 1);
        return one(x?.dtype, x?.shape?.map((dim, axis) => scaled(dim, scales?.[axis])) ?? null);
      }),
      value: (node, inputs): NdArray[] => {
        const x = need(inputs, 0);
        const lines = [...need(inputs, 1).data].map(
          (scale, axis): Line => ({
            axis,
            in: x.shape[axis]!,
            out: Math.floor(x.shape[axis]! * scale),
            scale,
          }),
        );
        const { mode } = attrsOf(node, 10);
        return [
          interpolate(x, lines, {
            mode,
            coordinate_transformation_mode: 'asymmetric',
            nearest_mode: 'floor',
          }),
        ];
      },
    }),
  ],
  { vjp: resizeVjp },
);

function chosen(node: Node, a: Attrs, rank: number): number[] {
  return a.axes?.map((axis) => axisIn(node, axis, rank)) ?? Array.from({ length: rank }, (_, axis) => axis);
}

/** Whether x is read within a region of interest. */
function crops(a: Attrs): boolean {
  return a.coordinate_transformation_mode === 'tf_crop_and_resize';
}

/** Constant factors; null when they are computed. */
function scalesAt(ctx: InferContext, index: number): readonly number[] | null {
  const data = ctx.constant(index);
  return data ? [...(ndOf(data)?.data ?? [])] : null;
}

function scaled(dim: Dim, scale: number | undefined): Dim {
  if (scale === undefined) return null;
  if (typeof dim === 'number') return Math.floor(dim * Math.fround(scale));
  return Number.isInteger(scale) ? mulDim(dim, scale) : null;
}
