import type { Letters } from '../../../adapter/terms.js';
import type { KernelDtype } from '../model/types.js';

/** Axes of weight space that no description has: along the adapters of a batch, and along the sites of a group. */
export const ADAPTERS = '#';
export const SITES = '@';

/** An array of weight space, by letters of a description and these. */
export interface Lettered {
  readonly buffer: string;
  readonly dtype: KernelDtype;
  /** first element in the buffer */
  readonly offset: number;
  readonly letters: Letters;
  /** elements from one index to the next along each axis */
  readonly strides: readonly number[];
}

/** Strides of an array without gaps, and its size. */
export function denseStrides(
  letters: Letters,
  extent: (letter: string) => number,
): { readonly strides: readonly number[]; readonly size: number } {
  let size = 1;
  const strides = letters.map(() => 0);
  for (let axis = letters.length - 1; axis >= 0; axis--) {
    strides[axis] = size;
    size *= extent(letters[axis]!);
  }
  return { strides, size };
}
