import type { Signature } from './signature.js';

/** Base models from this size on are trained with as little memory as possible, smaller ones as fast as possible. */
const LARGE_BASE = 2 ** 26;

/** Whether a base with that number of bytes is a large one. */
export function isLargeBase(byteLength: number): boolean {
  return byteLength >= LARGE_BASE;
}

/**
 * Whether a training directory should run with `SessionOptions.lowMemory`: its base weights take most of the memory. Matrices in
 * 8 bits are a quarter of their size, and packing them for each run would take as long as their products.
 */
export function wantsLowMemory({ base, baseProducts }: Signature): boolean {
  if (baseProducts) return false;
  return isLargeBase(base.reduce((total, { byteLength }) => total + byteLength, 0));
}
