import type { KernelDtype } from '../model/types.js';

/** Elements of 16 bytes. */
export const vectorWidth = (elem: KernelDtype): number => (elem === 'f32' ? 4 : 8);

/**
 * Elements between the rows of a tile in memory, so that they begin in different banks: eight rows of 16 bytes fill all banks once; rows that
 * threads read in single f32 need 4 or 8 elements between them. `alongInner`: rows in memory lie along the inner dimension of the product.
 */
export const rowPad = (elem: KernelDtype, alongInner: boolean): number =>
  elem === 'f32' && alongInner ? 4 : 8;

/** Elements that a tile of `outer` x `inner` takes with its rows padded, whichever way it is stored. */
export const paddedElements = (outer: number, inner: number, elem: KernelDtype): number =>
  Math.max(outer * (inner + rowPad(elem, true)), inner * (outer + rowPad(elem, false)));

/** Elements from row to row of sums that subgroups store in memory: 16 bytes more than a row of `cols`. */
export const sumPitch = (cols: number, elem: KernelDtype): number => cols + vectorWidth(elem);
