import type { NdArray } from './define.js';
import { fromIndex, offset, stridesOf } from './nd.js';

/** Interpolation along axes: the reference of Resize. */

export interface Line {
  readonly axis: number;
  readonly in: number;
  readonly out: number;
  readonly scale: number;
}

export interface Interpolation {
  readonly mode?: string;
  readonly coordinate_transformation_mode?: string;
  readonly nearest_mode?: string;
  readonly cubic_coeff_a?: number;
  readonly exclude_outside?: number;
}

/** x interpolated along each of the lines. */
export function interpolate(x: NdArray, lines: readonly Line[], how: Interpolation): NdArray {
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

type Weights = readonly (readonly [place: number, weight: number])[];

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

function nearest(at: number, mode: string | undefined): number {
  if (mode === 'floor') return Math.floor(at);
  if (mode === 'ceil') return Math.ceil(at);
  return mode === 'round_prefer_ceil' ? Math.floor(at + 0.5) : Math.ceil(at - 0.5);
}
