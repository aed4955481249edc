import { attrInt, type HeldAttr } from '../attr.js';
import type { Node, Value } from '../model.js';
import type { Dim } from '../shape.js';
import { f32Tensor } from '../tensor.js';
import { toF64 } from '../values.js';
import { attrsOf } from './core/attrs.js';
import { type Count, extentOf, shapeOfCounts, vector } from './core/counts.js';
import { type AttrsOf, type GradBuilder, type InferContext, type NdArray, op } from './core/define.js';
import { mulDim } from './core/dims.js';
import { attributes, axisOf, constantOf, input, type Vjp } from './core/gradient.js';
import { entry, range } from './core/gradient-shape.js';
import { contractAxis, identityMatrix } from './core/linear-map.js';
import { fromIndex, offset, stridesOf } from './core/nd.js';
import { attrs, axisIn, need, one, refuse, rule, tensorAt, unknownDims } from './core/rules.js';
import { ndOf } from './core/tensor-values.js';

/** Interpolation along axes: the reference of Resize. */

interface Line {
  readonly axis: number;
  readonly in: number;
  readonly out: number;
  readonly scale: number;
}

interface Interpolation {
  readonly mode?: string;
  readonly coordinate_transformation_mode?: string;
  readonly nearest_mode?: string;
  readonly cubic_coeff_a?: number;
  readonly exclude_outside?: number;
}

type Weights = readonly (readonly [place: number, weight: number])[];

function nearest(at: number, mode: string | undefined): number {
  if (mode === 'floor') return Math.floor(at);
  if (mode === 'ceil') return Math.ceil(at);
  return mode === 'round_prefer_ceil' ? Math.floor(at + 0.5) : Math.ceil(at - 0.5);
}

/** The elements that are read at a place between them, and their weights; beyond the ends the last one is read. */
function weightsAt(at: number, extent: number, how: Interpolation): Weights {
  const clamp = (place: number): number => Math.min(Math.max(place, 0), extent - 1);
  const low = Math.floor(at);
  if (how.mode === 'linear') {
    const ratio = at - low;
    return [
      [clamp(low), 1 - ratio],
      [clamp(low + 1), ratio],
    ];
  }
  if (how.mode !== 'cubic') return [[clamp(nearest(at, how.nearest_mode)), 1]];
  const a = how.cubic_coeff_a ?? -0.75;
  const near = (t: number): number => ((a + 2) * t - (a + 3)) * t * t + 1;
  const far = (t: number): number => ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  const t = at - low;
  const four = [far(t + 1), near(t), near(1 - t), far(2 - t)].map(
    (weight, k) => [low - 1 + k, weight] as const,
  );
  if (!how.exclude_outside) return four.map(([place, weight]) => [clamp(place), weight]);
  const inside = four.filter(([place]) => place === clamp(place));
  const total = inside.reduce((sum, [, weight]) => sum + weight, 0);
  return inside.map(([place, weight]) => [place, weight / total]);
}

/** Where an element of the result lies among those of x. */
function placeOf(i: number, { in: from, out, scale }: Line, how: Interpolation): number {
  switch (how.coordinate_transformation_mode) {
    case 'asymmetric':
      return i / scale;
    case 'align_corners':
      return out === 1 ? 0 : (i * (from - 1)) / (out - 1);
    case 'pytorch_half_pixel':
      return out === 1 ? 0 : (i + 0.5) / scale - 0.5;
    case 'tf_half_pixel_for_nn':
      return (i + 0.5) / scale;
    case 'half_pixel_symmetric': {
      const adjustment = out / (scale * from);
      return (from / 2) * (1 - adjustment) + (i + 0.5) / scale - 0.5;
    }
    default:
      return (i + 0.5) / scale - 0.5;
  }
}

/** x interpolated along each of the lines. */
function interpolate(x: NdArray, lines: readonly Line[], how: Interpolation): NdArray {
  return lines.reduce((at, line) => {
    const rows = Array.from({ length: line.out }, (_, i) => weightsAt(placeOf(i, line, how), line.in, how));
    const shape = at.shape.with(line.axis, line.out);
    const strides = stridesOf(at.shape);
    return fromIndex(shape, (index) => {
      let sum = 0;
      for (const [place, weight] of rows[index[line.axis]!]!)
        sum += weight * at.data[offset(strides, index.with(line.axis, place))]!;
      return sum;
    });
  }, x);
}

type Attrs = AttrsOf<'Resize'>;

function chosen(node: Node, a: Attrs, rank: number): number[] {
  return a.axes?.map((axis) => axisIn(node, axis, rank)) ?? Array.from({ length: rank }, (_, axis) => axis);
}

/** Constant factors; null when they are computed. */
function scalesAt(ctx: InferContext, index: number): readonly number[] | null {
  const data = ctx.constant(index);
  return data ? [...(ndOf(data)?.data ?? [])] : null;
}

/** Whether x is read within a region of interest. */
function crops(a: Attrs): boolean {
  return a.coordinate_transformation_mode === 'tf_crop_and_resize';
}

function scaled(dim: Dim, scale: number | undefined): Dim {
  if (scale === undefined) return null;
  if (typeof dim === 'number') return Math.floor(dim * Math.fround(scale));
  return Number.isInteger(scale) ? mulDim(dim, scale) : null;
}

interface GradLine {
  readonly axis: number;
  readonly in: Count;
  readonly out: Count;
  /** out over in where it is known; 1: the axis stays as it is */
  readonly factor: number | null;
  /** the factor that the node was given, as f32 vector of length 1; null: it was given extents */
  readonly scale: Value | null;
}

/** Whether a place is not its own even where nothing is scaled. */
function shifts(node: Node): boolean {
  return attributes(node, 'Resize').coordinate_transformation_mode === 'tf_half_pixel_for_nn';
}

/** What the node says about its i-th axis. */
function factorOf(b: GradBuilder, node: Node, i: number, axis: number): Pick<GradLine, 'factor' | 'scale'> {
  const [from, to] = [input(node, 0), node.outputs[0]!].map((value) => b.dims(value)[axis] ?? null);
  if (b.opset > 10 && node.inputs[3]) {
    const stays = from !== null && from === to && !shifts(node);
    const factor = typeof from === 'number' && typeof to === 'number' ? to / from : null;
    return { factor: stays ? 1 : factor === 1 && !stays ? null : factor, scale: null };
  }
  const scales = input(node, b.opset > 10 ? 2 : 1);
  const data = constantOf(scales);
  const known = data ? (toF64(data)[i] ?? null) : null;
  const scale = known === null ? entry(b, scales, i) : b.constant(f32Tensor([1], [known]), 'grad/scale');
  return { factor: known === 1 && shifts(node) ? null : known, scale };
}

/** Whether element i of the result is element floor(i / factor) of x. */
function repeats(b: GradBuilder, a: AttrsOf<'Resize'>, factor: number): boolean {
  if (a.mode !== 'nearest' || !Number.isInteger(factor)) return false;
  if (b.opset <= 10) return true;
  const at = a.coordinate_transformation_mode ?? 'half_pixel';
  const rounding = a.nearest_mode ?? 'round_prefer_floor';
  if (at === 'asymmetric') return rounding === 'floor';
  return at === 'half_pixel' && rounding.startsWith('round');
}

/** The sum over `factor` neighbours along an axis; `extents` are those of the result. */
function summed(b: GradBuilder, dy: Value, axis: number, factor: number, extents: readonly Count[]): Value {
  const apart = extents.flatMap((extent, k) => (k === axis ? [extent, factor] : [extent]));
  return b.reduceSum(b.reshape(dy, shapeOfCounts(b, apart)), [axis + 1], false);
}

function flat(b: GradBuilder, image: Value, line: GradLine): Value {
  return b.reshape(image, b.one('Concat', [vector(b, line.out), vector(b, line.in)], { axis: attrInt(0) }));
}

/** The matrix (out, in) of the interpolation along one axis. */
function matrixOf(b: GradBuilder, node: Node, x: Value, line: GradLine): Value {
  const one = identityMatrix(b, line.in, x);
  // rows of an image of one channel: runtimes interpolate images
  const image = b.reshape(one, shapeOfCounts(b, [1, 1, line.in, line.in]));
  const attrs: Record<string, HeldAttr> = Object.fromEntries(
    [...node.attrs].filter(([name]) => name !== 'axes' && name !== 'keep_aspect_ratio_policy'),
  );
  // before operator set 13 these inputs are there, though empty
  const roi = node.inputs[1] ?? null;
  if (line.scale === null) {
    const sizes = shapeOfCounts(b, [1, 1, line.out, line.in]);
    const empty = b.opset < 13 ? (node.inputs[2] ?? null) : null;
    return flat(b, b.one('Resize', [image, roi, empty, sizes], attrs), line);
  }
  const ones = (count: number): Value =>
    b.constant(f32Tensor([count], new Array<number>(count).fill(1)), 'grad/scale');
  const scales = b.one('Concat', [ones(2), line.scale, ones(1)], { axis: attrInt(0) });
  return flat(b, b.one('Resize', b.opset > 10 ? [image, roi, scales] : [image, scales], attrs), line);
}

/**
 * Resize is a linear map of each line along each axis. Its matrix is the identity matrix resized in the same way, by the
 * same op, so that every mode is what the runtime makes of it. Where elements are repeated a whole number of times
 * (nearest), the repeats are summed.
 */
const resizeVjp: Vjp = (b, node, [dy]) => {
  const a = attributes(node, 'Resize');
  if (a.coordinate_transformation_mode === 'tf_crop_and_resize')
    return { because: 'it crops (tf_crop_and_resize)', at: node };
  if ((a.keep_aspect_ratio_policy ?? 'stretch') !== 'stretch')
    return { because: 'it keeps the aspect ratio (keep_aspect_ratio_policy)', at: node };
  const [x, y] = [input(node, 0), node.outputs[0]!];
  const rank = b.rank(x);
  const axes = a.axes?.map((axis) => axisOf(axis, rank)) ?? range(rank);
  const extents = range(rank).map((axis) => extentOf(b, y, axis));
  let gradient = dy!;
  for (const [i, axis] of axes.entries()) {
    const line: GradLine = {
      axis,
      in: extentOf(b, x, axis),
      out: extentOf(b, y, axis),
      ...factorOf(b, node, i, axis),
    };
    if (line.factor === 1) continue;
    extents[axis] = line.in;
    if (line.factor !== null && repeats(b, a, line.factor)) {
      gradient = summed(b, gradient, axis, line.factor, extents);
    } else gradient = contractAxis(b, gradient, matrixOf(b, node, x, line), axis, extents);
  }
  return node.inputs.map((_, index) => (index === 0 ? gradient : null));
};

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
  {
    vjp: resizeVjp,
    cases: [
      {
        inputs: ['float[1,2,3,4]', '', 'const float[4] {1, 1, 2, 0.75}'],
        attrs: {
          mode: 'nearest',
          coordinate_transformation_mode: 'half_pixel',
          nearest_mode: 'round_prefer_floor',
        },
      },
      {
        inputs: ['float[1,2,5,3]', '', '', 'const int64[4] {1, 2, 4, 7}'],
        attrs: {
          mode: 'nearest',
          coordinate_transformation_mode: 'half_pixel',
          nearest_mode: 'round_prefer_floor',
        },
      },
      {
        inputs: ['float[1,1,4,3]', '', 'const float[4] {1, 1, 1.75, 2}'],
        attrs: { mode: 'cubic', exclude_outside: 1, cubic_coeff_a: -0.5 },
      },
      { inputs: ['float[2,3,4,3]', 'const float[4] {1, 1, 2, 3}'], opset: 10 },
      {
        inputs: ['float[2,3,4,3]', '', '', 'const int64[2] {5, 2}'],
        attrs: { axes: [3, -2], mode: 'linear' },
      },
    ],
  },
);
