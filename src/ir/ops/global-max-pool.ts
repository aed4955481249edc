import { globalPool } from './families/global-pool.js';
import { withGradient } from './gradients/attach.js';
import { globalMaxPoolVjp } from './gradients/placement.js';

/** GlobalMaxPool: the greatest over all spatial dimensions. */
export const globalMaxPool = withGradient(
  globalPool('GlobalMaxPool', (v) => v.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)),
  globalMaxPoolVjp,
);
