import { attrInt, type HeldAttr } from '../../attr.js';
import type { Node, Value } from '../../model.js';
import { f32Tensor } from '../../tensor.js';
import { toF64 } from '../../values.js';
import type { AttrsOf, GradBuilder } from '../define.js';
import { type Count, extentOf, shapeOf, vector } from './counts.js';
import { constantOf } from './elementwise.js';
import { contract, identityMatrix } from './linear-map.js';
import { entry, range } from './shape.js';
import { attributes, axisOf, input, type Vjp } from './vjp.js';

/**
 * Resize is a linear map of each line along each axis. Its matrix is the identity matrix resized in the same way, by the
 * same op, so that every mode is what the runtime makes of it. Where elements are repeated a whole number of times
 * (nearest), the repeats are summed.
 */
export const resizeVjp: Vjp = (b, node, [dy]) => {
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
    } else gradient = contract(b, gradient, matrixOf(b, node, x, line), axis, extents);
  }
  return node.inputs.map((_, index) => (index === 0 ? gradient : null));
};

interface GradLine {
  readonly axis: number;
  readonly in: Count;
  readonly out: Count;
  /** out over in where it is known; 1: the axis stays as it is */
  readonly factor: number | null;
  /** the factor that the node was given, as f32 vector of length 1; null: it was given extents */
  readonly scale: Value | null;
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

/** Whether a place is not its own even where nothing is scaled. */
function shifts(node: Node): boolean {
  return attributes(node, 'Resize').coordinate_transformation_mode === 'tf_half_pixel_for_nn';
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
  return b.reduceSum(b.reshape(dy, shapeOf(b, apart)), [axis + 1], false);
}

/** The matrix (out, in) of the interpolation along one axis. */
function matrixOf(b: GradBuilder, node: Node, x: Value, line: GradLine): Value {
  const one = identityMatrix(b, line.in, x);
  // rows of an image of one channel: runtimes interpolate images
  const image = b.reshape(one, shapeOf(b, [1, 1, line.in, line.in]));
  const attrs: Record<string, HeldAttr> = Object.fromEntries(
    [...node.attrs].filter(([name]) => name !== 'axes' && name !== 'keep_aspect_ratio_policy'),
  );
  // before operator set 13 these inputs are there, though empty
  const roi = node.inputs[1] ?? null;
  if (line.scale === null) {
    const sizes = shapeOf(b, [1, 1, line.out, line.in]);
    const empty = b.opset < 13 ? (node.inputs[2] ?? null) : null;
    return flat(b, b.one('Resize', [image, roi, empty, sizes], attrs), line);
  }
  const ones = (count: number): Value =>
    b.constant(f32Tensor([count], new Array<number>(count).fill(1)), 'grad/scale');
  const scales = b.one('Concat', [ones(2), line.scale, ones(1)], { axis: attrInt(0) });
  return flat(b, b.one('Resize', b.opset > 10 ? [image, roi, scales] : [image, scales], attrs), line);
}

function flat(b: GradBuilder, image: Value, line: GradLine): Value {
  return b.reshape(image, b.one('Concat', [vector(b, line.out), vector(b, line.in)], { axis: attrInt(0) }));
}
