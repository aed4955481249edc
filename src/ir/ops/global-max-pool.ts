import { globalPool } from './families/global-pool.js';

/** GlobalMaxPool: the greatest over all spatial dimensions. */
export const globalMaxPool = globalPool('GlobalMaxPool', (v) =>
  v.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
);
