import { type ArrayDecl, arrayBytes, type Kernel } from '../../ir/kir.js';
import { ringBytes } from '../../ir/warpgroups.js';

/** Shared memory that a kernel can declare; more is part of a launch, and allowed for the kernel before. */
export const DECLARED_BYTES = 48 << 10;

/** Where the arrays of a block lie, each at a multiple of 16 bytes, and how long they are together. */
export function sharedPlaces(arrays: readonly ArrayDecl[]): {
  readonly first: ReadonlyMap<string, number>;
  readonly bytes: number;
} {
  const first = new Map<string, number>();
  let bytes = 0;
  for (const array of arrays) {
    if (array.space !== 'workgroup') continue;
    first.set(array.name, bytes);
    bytes += 16 * Math.ceil(arrayBytes(array) / 16);
  }
  return { first, bytes };
}

/** Bytes of shared memory that a launch of a kernel has to give: those of a ring of warpgroups, or of arrays that are too large to be declared. */
export function launchBytes({ arrays, ring }: Pick<Kernel, 'arrays' | 'ring'>): number {
  if (ring) return ringBytes(ring);
  const { bytes } = sharedPlaces(arrays);
  return bytes > DECLARED_BYTES ? bytes : 0;
}
