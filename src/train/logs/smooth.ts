import type { Point } from './chart.js';

/**
 * Exponential moving average over about a fiftieth of the points, with the start corrected (as the first moment in
 * Adam is). Values that are not finite are passed over. Fewer than 20 points are too few to smooth: null.
 */
export function smoothed(points: readonly Point[]): readonly Point[] | null {
  if (points.length < 20) return null;
  const keep = 1 - 1 / Math.max(4, points.length / 50);
  let [mean, weight] = [0, 0];
  return points.flatMap(([step, value]): Point[] => {
    if (!Number.isFinite(value)) return [];
    mean = keep * mean + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    return [[step, mean / weight]];
  });
}
