import { op } from './define.js';
import { globalPool } from './families/global-pool.js';
import { globalMaxPoolVjp } from './gradients/placement.js';

/** GlobalMaxPool: the greatest over all spatial dimensions. */
export const GlobalMaxPool = op(
  globalPool('GlobalMaxPool', (v) => v.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)),
  { vjp: globalMaxPoolVjp },
);
