import { type Dim, type Shape, staticShape } from '../../shape.js';
import { compareDims, type Ints } from './dims.js';
import { fromIndex, offset, sizeOf, stridesOf } from './nd.js';
import { MAX_INTS } from './tensor-values.js';

/** Moving integer contents about as the data movement ops do. Contents are known in part; shapes must be static. */

/**
 * A result of `shape` filled by `pick`, which says from which flat element of which source each element comes.
 * Null when the shape is not static or too large to be worth following.
 */
export function gatherInts(shape: Shape | null, pick: (index: readonly number[]) => Dim): Ints | null {
  const extents = staticShape(shape);
  if (!extents || extents.some((extent) => extent < 0) || sizeOf(extents) > MAX_INTS) return null;
  const result: Dim[] = [];
  fromIndex(extents, (index) => {
    result.push(pick(index));
    return 0;
  });
  return result;
}

/** For each element of the broadcast `shape`, the elements of the sources; null when a source is unknown. */
export function broadcastIndex(
  sources: readonly (Ints | null)[],
  shapes: readonly (Shape | null | undefined)[],
  shape: Shape,
): readonly (readonly Dim[])[] | null {
  const extents = staticShape(shape);
  if (!extents || extents.some((extent) => extent < 0) || sizeOf(extents) > MAX_INTS) return null;
  const readers: ((index: readonly number[]) => Dim)[] = [];
  for (const [i, source] of sources.entries()) {
    const own = staticShape(shapes[i] ?? null);
    if (!source || !own || source.length !== sizeOf(own)) return null;
    const strides = stridesOf(own).map((s, k) => (own[k] === 1 ? 0 : s));
    const skip = extents.length - own.length;
    readers.push((index) => source[offset(strides, index.slice(skip))]!);
  }
  const rows: Dim[][] = [];
  fromIndex(extents, (index) => {
    rows.push(readers.map((read) => read(index)));
    return 0;
  });
  return rows;
}

/** A function of two known numbers, 0 or 1; unknown otherwise. */
export function known(f: (a: number, b: number) => boolean): (a: Dim, b: Dim) => Dim {
  return (a, b) => (typeof a === 'number' && typeof b === 'number' ? Number(f(a, b)) : null);
}

/** A comparison by the sign of a - b, 0 or 1; unknown where the sign is. */
export function compared(f: (sign: -1 | 0 | 1) => boolean): (a: Dim, b: Dim) => Dim {
  return (a, b) => {
    const sign = compareDims(a, b);
    return sign === null ? null : Number(f(sign));
  };
}
