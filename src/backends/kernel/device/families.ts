import type { Family } from '../model/types.js';

/** Families whose kernels have schedules: rows of tiles are for these. */
export const SCHEDULED = [
  'gemm',
  'gemv',
  'skinny',
  'skinnyT',
  'rankBatched',
  'reducePartials',
] as const satisfies readonly Family[];
