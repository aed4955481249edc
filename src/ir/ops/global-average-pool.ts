import { globalPool } from './families/global-pool.js';

/** GlobalAveragePool: the mean over all spatial dimensions. */
export const globalAveragePool = globalPool(
  'GlobalAveragePool',
  (v) => v.reduce((a, b) => a + b, 0) / v.length,
);
