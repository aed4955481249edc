import type { Dim } from '../shape.js';
import { addDim, atMost, compareDims, subDim } from './dims.js';

/** Ends at or beyond this mean "to the end": exporters write the largest int32 or int64. */
const FAR = 2 ** 31 - 1;

/** First index and number of elements that a slice of one dimension takes, after the clamping of the specification. */
export function sliceStatic(
  extent: number,
  start: number,
  end: number,
  step: number,
): readonly [number, number] {
  const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);
  const from = start < 0 ? start + extent : start;
  const to = end < 0 ? end + extent : end;
  const [a, b] =
    step > 0
      ? [clamp(from, 0, extent), clamp(to, 0, extent)]
      : [clamp(from, 0, extent - 1), clamp(to, -1, extent - 1)];
  return [a, Math.max(0, Math.ceil((b - a) / step))];
}

/**
 * Extent of a slice whose parts may be symbolic (step 1). Symbolic bounds are those that exporters derive from the
 * shapes of other inputs, and are taken to lie inside a static extent; null where the result depends on clamping.
 */
export function sliceExtent(extent: Dim, start: Dim, end: Dim, step: Dim): Dim {
  if (typeof start === 'number' && typeof end === 'number' && typeof step === 'number' && step !== 0) {
    if (typeof extent === 'number') return sliceStatic(extent, start, end, step)[1];
    if (step === -1 && start === -1 && end <= -FAR) return extent;
  }
  if (step !== 1 || extent === null || start === null || end === null) return null;
  const from = position(extent, start);
  const to = typeof end === 'number' && end >= FAR ? extent : position(extent, end);
  if (from === null || to === null) return null;
  // a number may lie beyond a symbolic extent
  if (typeof to === 'number' && typeof extent === 'string' && to !== 0) return null;
  if (typeof from === 'number' && typeof to === 'number') return Math.max(0, to - from);
  const last = typeof extent === 'number' ? to : atMost(to, extent) ? to : atMost(extent, to) ? extent : null;
  if (last === null) return null;
  const length = subDim(last, from);
  return length !== null && compareDims(length, 0) === -1 ? 0 : length;
}

/** A bound counted from the start. A symbolic bound is negative only when it is certainly so. */
function position(extent: Dim, bound: Dim): Dim {
  if (typeof bound === 'number') return bound < 0 ? addDim(extent, bound) : bound;
  return compareDims(bound, 0) === -1 ? addDim(extent, bound) : bound;
}
